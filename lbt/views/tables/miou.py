"""mIoU by method: one table with a row per network, one with means and standard deviations over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.config.baselines import BASELINES
from lbt.views.budget import Budgets
from lbt.views.equal_networks import find_equal, say_equal
from lbt.views.noise_walk import KINDS
from lbt.views.results import CONTROLS, NetworkResult, group_by_method, mark_role
from lbt.views.tables.decisiveness import Found, warn_of_undecided
from lbt.views.tables.formats import (
    Column,
    Table,
    escape_markdown,
    format_columns,
    format_mean,
    format_percent,
    mean_and_deviation,
)
from lbt.views.tables.timing_noise import warn_of_noise

WHAT = (
    "mIoU is the mean intersection over union in percent on the official validation images, which no earlier stage "
    "reads. The supernet is scored after the search at its most probable widths, the derived network after retraining "
    "on all labelled training images. Latency is the median time of one image through the derived network on this "
    "run's device. Parameters are in millions, MACs (multiply-accumulates of one image) in 10^9. "
)
CONTROL = (
    "Controls: constant predicts {constant}, the most frequent training class, at every pixel; random architectures "
    "were not searched. A blank cell means that the measure does not apply. "
)
CHOICES = (
    "Alpha against noise is how many times as far as noise the search has moved the logits of the operators; at 1 it "
    "looks like noise. "
)
NOT_SEARCHED = (
    "Baselines (not searched) are published networks, trained by the recipe of the derived ones; they have no supernet "
    "and no predicted latency. Their budget: {budget}. "
)
_TEXTS = {
    "supernet_miou": Column("supernet mIoU", format_percent),
    "retrained_miou": Column("retrained mIoU", format_percent),
    "latency_ms": Column("latency (ms)", "{:.2f}".format),
    "fps": Column("FPS", "{:.1f}".format),
    "predicted_ms": Column("predicted (ms)", "{:.2f}".format),
    "parameters": Column("params (M)", lambda v: f"{v / 1e6:.3f}"),
    "macs": Column("MACs (G)", lambda v: f"{v / 1e9:.3f}"),
    "alpha_noise_ratio": Column("alpha against noise", "{:.2f}".format),
}
_OTHERS = ("beta_noise_ratio", "gamma_noise_ratio", "operator_probability", "entropy")
"""Measures of the CSV that people see in the table of decisions only."""
_WITH_DEVIATION = ("supernet_miou", "retrained_miou", "latency_ms")


def make_miou_table(
    networks: Sequence[NetworkResult], constant: Mapping[str, Any], choices: Found, budgets: Budgets
) -> Table:
    """A row per method and seed, and the constant prediction."""
    rows = [
        {"method": n.method, "seed": n.seed, **_measure(n, choices)} | {"budget": budgets.of(n.method)}
        for n in networks
    ]
    rows.append({"method": _name_constant(constant), "retrained_miou": constant["miou"]})
    values = pd.DataFrame(rows, columns=["method", "seed", *_TEXTS, *_OTHERS, "budget"])
    for name in ("seed", "parameters", "macs"):
        values[name] = values[name].astype("Int64")
    note = (
        f"{WHAT}{describe_classes(constant)} Predicted is the sum of the lookup table. "
        f"{CONTROL.format(constant=escape_markdown(constant['class']))}{_say_budgets(networks, budgets)}"
    )
    names = values.assign(method=[*values["method"][:-1], "constant"])
    columns = {"method": Column("method"), "seed": Column("seed"), **_TEXTS}
    people = format_columns(names, columns).drop(columns="alpha against noise")
    return Table("miou", "mIoU by method and seed", note, values, people)


def make_summary_table(
    networks: Sequence[NetworkResult], constant: Mapping[str, Any], choices: Found, budgets: Budgets
) -> Table:
    """A row per method, and the constant prediction; a single seed has no deviation."""
    rows = []
    for method, group in group_by_method(networks).items():
        role = "control" if method in CONTROLS else "baseline" if method in BASELINES else "searched"
        row: dict[str, str | float] = {"method": method, "role": role, "seeds": len(group)}
        measures = [_measure(n, choices) for n in group]
        for name in measures[0]:
            row[f"{name}_mean"], row[f"{name}_std"] = mean_and_deviation([m[name] for m in measures])
        rows.append(row)
    rows.append({"method": _name_constant(constant), "role": "control", "retrained_miou_mean": constant["miou"]})
    values = pd.DataFrame(rows)
    values["seeds"] = values["seeds"].astype("Int64")
    control = CONTROL.format(constant=escape_markdown(constant["class"]))
    note = (
        f"{WHAT}{describe_classes(constant)} {CHOICES}{control}{_describe_seeds(networks)} "
        f"{_say_budgets(networks, budgets)}"
    )
    absent = "" if None not in constant["iou"].values() else describe_classes(constant)
    equal = say_equal(find_equal(networks))
    warnings = tuple(filter(None, [absent, *equal, warn_of_undecided(choices), warn_of_noise(networks)]))
    return Table("summary", "mIoU by method, mean over the seeds", note, values, _format_rows(values), warnings)


def describe_classes(scores: Mapping[str, Any]) -> str:
    """Over how many classes the mean goes; see `lbt.evaluation.scores`."""
    absent = [escape_markdown(name) for name, value in scores["iou"].items() if value is None]
    count = len(scores["iou"])
    if not absent:
        return f"The mIoU goes over all {count} classes."
    names = ", ".join(absent)
    return f"The mIoU goes over {count - len(absent)} of {count} classes: the validation images show no {names}."


def _format_rows(values: pd.DataFrame) -> pd.DataFrame:
    """The rows for people, with each mean and its deviation in one cell."""
    names = ["constant" if name.startswith("constant") else name for name in values["method"]]
    people = {"method": [f"{name}{' (control)' if name == 'constant' else mark_role(name)}" for name in names]}
    for name, column in _TEXTS.items():
        if name == "predicted_ms":
            continue  # it is in the latency table
        deviations = values[f"{name}_std"] if name in _WITH_DEVIATION else [float("nan")] * len(values)
        people[column.title] = [
            format_mean(column.text, mean, deviation)
            for mean, deviation in zip(values[f"{name}_mean"], deviations, strict=True)
        ]
    return pd.DataFrame(people, dtype=object)


def _say_budgets(networks: Sequence[NetworkResult], budgets: Budgets) -> str:
    """The budget of the methods and, if there are any, of the baselines."""
    has_baselines = any(network.method in BASELINES for network in networks)
    others = NOT_SEARCHED.format(budget=budgets.baseline) if has_baselines else ""
    return f"{others}Budget of each method and seed: {budgets.method}."


def _describe_seeds(networks: Sequence[NetworkResult]) -> str:
    seeds = sorted({network.seed for network in networks})
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): the table cannot say which method is better."
    return (
        f"Means over the seeds {', '.join(map(str, seeds))}; methods with several seeds also have the standard "
        "deviation (divided by n - 1)."
    )


def _measure(network: NetworkResult, choices: Found) -> dict[str, float]:
    profile, found = network.profile, choices.get((network.method, network.seed))
    movements = {} if found is None else found.movements
    ratios = {f"{kind}_noise_ratio": movements[kind].ratio if kind in movements else float("nan") for kind in KINDS}
    return {
        "supernet_miou": float("nan") if network.supernet is None else network.supernet["miou"],
        "retrained_miou": network.network["miou"],
        "latency_ms": profile["median_ms"],
        "fps": profile["fps"],
        "predicted_ms": float("nan") if profile["predicted_ms"] is None else profile["predicted_ms"],
        "parameters": profile["parameters"],
        "macs": profile["macs"],
        **ratios,
        "operator_probability": float("nan") if found is None else found.operator,
        "entropy": float("nan") if found is None else found.entropy,
    }


def _name_constant(constant: Mapping[str, Any]) -> str:
    return f"constant ({constant['class']})"
