"""Intersection over union of each class by method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.views.results import NetworkResult, group_by_method
from lbt.views.tables.formats import Column, Table, format_columns, format_mean, format_percent, mean_and_deviation

NOTE = (
    "Intersection over union in percent of the retrained networks on the official validation images: the mean over the "
    "seeds, and with several seeds its standard deviation. A class without a pixel in these images has a blank row and "
    "does not count in the mean. Share: percentage of the labelled pixels. The CSV also has every seed and the "
    "supernets, which baselines lack."
)


def make_classes_table(networks: Sequence[NetworkResult], constant: Mapping[str, Any]) -> Table:
    """A CSV with a row per network and class; for people a row per class and a column per method."""
    names = list(constant["iou"])
    pixels = [sum(row) for row in constant["confusion"]]
    share = {name: count / sum(pixels) for name, count in zip(names, pixels, strict=True)}
    rows = [
        {
            "method": network.method,
            "seed": network.seed,
            "class": name,
            "share": share[name],
            "supernet_iou": None if network.supernet is None else network.supernet["iou"][name],
            "retrained_iou": network.network["iou"][name],
        }
        for network in networks
        for name in names
    ]
    values = pd.DataFrame(rows)
    for column in ("supernet_iou", "retrained_iou"):
        values[column] = values[column].astype(float)

    wide = pd.DataFrame({"class": names, "share": [share[name] for name in names]})
    people = format_columns(wide, {"class": Column("class"), "share": Column("share", format_percent)})
    for method, group in group_by_method(networks).items():
        people[method] = [_format_cell([n.network["iou"][name] for n in group]) for name in names]
    people["constant"] = [_format_cell([constant["iou"][name]]) for name in names]
    return Table("classes", "IoU by class", NOTE, values, people)


def _format_cell(values: Sequence[float | None]) -> str:
    present = [value for value in values if value is not None]
    return format_mean(format_percent, *mean_and_deviation(present)) if present else ""
