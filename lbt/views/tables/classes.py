"""Intersection over union of each class by method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.views.results import Scored, by_method
from lbt.views.tables.table import Column, Table, mean_and_deviation, percent, shown, with_deviation

NOTE = (
    "Intersection over union in percent of the retrained networks on the official validation images; mean over the "
    "seeds, with the standard deviation where there are several. A class without a pixel in these images has a blank "
    "row: it is no part of the mean, and is not 0. Share: of the labelled pixels, in percent. The CSV holds every seed "
    "and the supernets."
)


def classes_table(networks: Sequence[Scored], constant: Mapping[str, Any]) -> Table:
    """The CSV has a row per network and class; people see a row per class and a column per method."""
    names = list(constant["iou"])
    pixels = [sum(row) for row in constant["confusion"]]
    share = {name: count / sum(pixels) for name, count in zip(names, pixels, strict=True)}
    rows = [
        {
            "method": network.method,
            "seed": network.seed,
            "class": name,
            "share": share[name],
            "supernet_iou": network.supernet["iou"][name],
            "retrained_iou": network.network["iou"][name],
        }
        for network in networks
        for name in names
    ]
    values = pd.DataFrame(rows)
    for column in ("supernet_iou", "retrained_iou"):
        values[column] = values[column].astype(float)

    wide = pd.DataFrame({"class": names, "share": [share[name] for name in names]})
    people = shown(wide, {"class": Column("class"), "share": Column("share", percent)})
    for method, group in by_method(networks).items():
        people[method] = [_cell([n.network["iou"][name] for n in group]) for name in names]
    people["constant"] = [_cell([constant["iou"][name]]) for name in names]
    return Table("classes", "IoU by class", NOTE, values, people)


def _cell(values: Sequence[float | None]) -> str:
    present = [value for value in values if value is not None]
    return with_deviation(percent, *mean_and_deviation(present)) if present else ""
