"""mIoU by method: a row per network, and the means and standard deviations over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.views.scored import CONTROLS, Scored, by_method
from lbt.views.tables.table import Column, Table, mean_and_deviation, percent, shown

WHAT = (
    "mIoU is the mean intersection over union in percent on the official validation images, which no earlier stage "
    "reads. The supernet is scored after the search at its most probable widths; the derived network after retraining "
    "on all labelled training images. Latency is the median of one image through the derived network on the device of "
    "this run. "
)
CONTROL = (
    "Controls: the constant row predicts the most frequent training class everywhere; random architectures are drawn, "
    "not searched. A blank cell does not apply. "
)
_COLUMNS = {
    "method": Column("method"),
    "seed": Column("seed"),
    "supernet_miou": Column("supernet mIoU (search only)", percent),
    "retrained_miou": Column("retrained mIoU", percent),
    "latency_ms": Column("latency (ms)", "{:.2f}".format),
    "fps": Column("FPS", "{:.1f}".format),
    "predicted_ms": Column("predicted (ms)", "{:.2f}".format),
    "parameters": Column("parameters", lambda v: f"{v / 1e6:.3f} M"),
    "macs": Column("MACs", lambda v: f"{v / 1e9:.3f} G"),
}
_SUMMARY = {
    "method": Column("method"),
    "role": Column("role"),
    "seeds": Column("seeds"),
    "supernet_miou_mean": Column("supernet mIoU (search only)", percent),
    "supernet_miou_std": Column("std of supernet", percent),
    "retrained_miou_mean": Column("retrained mIoU", percent),
    "retrained_miou_std": Column("std of retrained", percent),
    "latency_ms_mean": Column("latency (ms)", "{:.2f}".format),
    "latency_ms_std": Column("std of latency", "{:.2f}".format),
    "fps_mean": Column("FPS", "{:.1f}".format),
    "parameters_mean": Column("parameters", lambda v: f"{v / 1e6:.3f} M"),
    "macs_mean": Column("MACs", lambda v: f"{v / 1e9:.3f} G"),
}


def miou_table(networks: Sequence[Scored], constant: Mapping[str, Any], budget: str) -> Table:
    """A row per method and seed, and the constant prediction."""
    rows = [{"method": n.method, "seed": n.seed, **_measures(n), "budget": budget} for n in networks]
    rows.append({"method": _constant_name(constant), "retrained_miou": constant["miou"]})
    values = pd.DataFrame(rows, columns=[*_COLUMNS, "budget"])
    for name in ("seed", "parameters", "macs"):
        values[name] = values[name].astype("Int64")
    note = f"{WHAT}Predicted is the sum of the lookup table. {CONTROL}Budget of each method and seed: {budget}."
    return Table("miou", "mIoU by method and seed", note, values, shown(values, _COLUMNS))


def summary_table(networks: Sequence[Scored], constant: Mapping[str, Any], budget: str) -> Table:
    """A row per method, and the constant prediction; the deviation of a single seed is missing."""
    rows = []
    for method, group in by_method(networks).items():
        row = {"method": method, "role": "control" if method in CONTROLS else "searched", "seeds": len(group)}
        measures = [_measures(n) for n in group]
        for name in measures[0]:
            row[f"{name}_mean"], row[f"{name}_std"] = mean_and_deviation([m[name] for m in measures])
        rows.append(row)
    rows.append({"method": _constant_name(constant), "role": "control", "retrained_miou_mean": constant["miou"]})
    values = pd.DataFrame(rows)
    values["seeds"] = values["seeds"].astype("Int64")
    note = (
        f"{WHAT}{CONTROL}Std is the standard deviation over the seeds (divided by n - 1), blank for a single seed: one "
        f"seed says nothing about which method is better. Budget of each method and seed: {budget}."
    )
    return Table("summary", "mIoU by method, mean over the seeds", note, values, shown(values, _SUMMARY))


def _measures(network: Scored) -> dict[str, float]:
    profile = network.profile
    return {
        "supernet_miou": network.supernet["miou"],
        "retrained_miou": network.network["miou"],
        "latency_ms": profile["median_ms"],
        "fps": profile["fps"],
        "predicted_ms": profile["predicted_ms"],
        "parameters": profile["parameters"],
        "macs": profile["macs"],
    }


def _constant_name(constant: Mapping[str, Any]) -> str:
    return f"constant ({constant['class']})"
