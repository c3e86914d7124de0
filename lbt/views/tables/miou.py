"""mIoU by method: a row per network, and the means and standard deviations over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.views.results import CONTROLS, Scored, by_method
from lbt.views.tables.decisiveness import UNIFORM, Choices, undecided_warning
from lbt.views.tables.table import Column, Table, mean_and_deviation, percent, shown, with_deviation
from lbt.views.tables.timing_noise import busy_warning

WHAT = (
    "mIoU is the mean intersection over union in percent on the official validation images, which no earlier stage "
    "reads. The supernet is scored after the search at its most probable widths; the derived network after retraining "
    "on all labelled training images. Latency is the median of one image through the derived network on the device of "
    "this run. Parameters are in millions, MACs (multiply-accumulates of one image) in 10^9. "
)
CONTROL = (
    "Controls: the row constant predicts {constant}, the most frequent training class, everywhere; random "
    "architectures are drawn, not searched. A blank cell does not apply. "
)
CHOICES = (
    f"Top operator is the largest probability of an operator after the search, mean over the cells; {UNIFORM:.4f} is "
    "no preference. "
)
Found = Mapping[tuple[str, int], Choices]
"""What each searched network's search prefers, by method and seed."""
_TEXTS = {
    "supernet_miou": Column("supernet mIoU", percent),
    "retrained_miou": Column("retrained mIoU", percent),
    "latency_ms": Column("latency (ms)", "{:.2f}".format),
    "fps": Column("FPS", "{:.1f}".format),
    "predicted_ms": Column("predicted (ms)", "{:.2f}".format),
    "parameters": Column("params (M)", lambda v: f"{v / 1e6:.3f}"),
    "macs": Column("MACs (G)", lambda v: f"{v / 1e9:.3f}"),
    "operator_probability": Column("top operator", "{:.4f}".format),
}
_WITH_DEVIATION = ("supernet_miou", "retrained_miou", "latency_ms")


def miou_table(networks: Sequence[Scored], constant: Mapping[str, Any], choices: Found, budget: str) -> Table:
    """A row per method and seed, and the constant prediction."""
    rows = [{"method": n.method, "seed": n.seed, **_measures(n, choices), "budget": budget} for n in networks]
    rows.append({"method": _constant_name(constant), "retrained_miou": constant["miou"]})
    values = pd.DataFrame(rows, columns=["method", "seed", *_TEXTS, "entropy", "budget"])
    for name in ("seed", "parameters", "macs"):
        values[name] = values[name].astype("Int64")
    note = (
        f"{WHAT}Predicted is the sum of the lookup table. {CONTROL.format(constant=constant['class'])}"
        f"Budget of each method and seed: {budget}."
    )
    names = values.assign(method=[*values["method"][:-1], "constant"])
    people = shown(names, {"method": Column("method"), "seed": Column("seed"), **_TEXTS}).drop(columns="top operator")
    return Table("miou", "mIoU by method and seed", note, values, people)


def summary_table(networks: Sequence[Scored], constant: Mapping[str, Any], choices: Found, budget: str) -> Table:
    """A row per method, and the constant prediction; the deviation of a single seed is missing."""
    rows = []
    for method, group in by_method(networks).items():
        row = {"method": method, "role": "control" if method in CONTROLS else "searched", "seeds": len(group)}
        measures = [_measures(n, choices) for n in group]
        for name in measures[0]:
            row[f"{name}_mean"], row[f"{name}_std"] = mean_and_deviation([m[name] for m in measures])
        rows.append(row)
    rows.append({"method": _constant_name(constant), "role": "control", "retrained_miou_mean": constant["miou"]})
    values = pd.DataFrame(rows)
    values["seeds"] = values["seeds"].astype("Int64")
    control = CONTROL.format(constant=constant["class"])
    note = f"{WHAT}{CHOICES}{control}{_seeds(networks)} Budget of each method and seed: {budget}."
    warnings = tuple(filter(None, [undecided_warning(choices), busy_warning(networks)]))
    return Table("summary", "mIoU by method, mean over the seeds", note, values, _people(values), warnings)


def _people(values: pd.DataFrame) -> pd.DataFrame:
    """Each mean with its deviation in one cell."""
    names = ["constant" if name.startswith("constant") else name for name in values["method"]]
    roles = [
        f"{name} (control)" if role == "control" else name for name, role in zip(names, values["role"], strict=True)
    ]
    people = {"method": roles}
    for name, column in _TEXTS.items():
        if name == "predicted_ms":
            continue  # it has a table of its own
        deviations = values[f"{name}_std"] if name in _WITH_DEVIATION else [float("nan")] * len(values)
        people[column.title] = [
            with_deviation(column.text, mean, deviation)
            for mean, deviation in zip(values[f"{name}_mean"], deviations, strict=True)
        ]
    return pd.DataFrame(people, dtype=object)


def _seeds(networks: Sequence[Scored]) -> str:
    """What the numbers are means of."""
    seeds = sorted({network.seed for network in networks})
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): it says nothing about which method is better."
    return (
        f"Means over the seeds {', '.join(map(str, seeds))}, ± the standard deviation (divided by n - 1) where a "
        "method has several."
    )


def _measures(network: Scored, choices: Found) -> dict[str, float]:
    profile, found = network.profile, choices.get((network.method, network.seed))
    return {
        "supernet_miou": network.supernet["miou"],
        "retrained_miou": network.network["miou"],
        "latency_ms": profile["median_ms"],
        "fps": profile["fps"],
        "predicted_ms": profile["predicted_ms"],
        "parameters": profile["parameters"],
        "macs": profile["macs"],
        "operator_probability": float("nan") if found is None else found.operator,
        "entropy": float("nan") if found is None else found.entropy,
    }


def _constant_name(constant: Mapping[str, Any]) -> str:
    return f"constant ({constant['class']})"
