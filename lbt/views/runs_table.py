"""The table of several runs: for people a row per run and method, in the CSV a row per network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from lbt.views.compared_runs import (
    ComparedRun,
    explain_equal,
    find_differing_settings,
    list_caveats,
    name_networks,
)
from lbt.views.equal_networks import find_equal, say_equal
from lbt.views.results import group_by_method, mark_role
from lbt.views.tables.formats import Column, Table, escape_markdown, format_mean, format_percent, mean_and_deviation
from lbt.views.tables.timing_noise import warn_of_noise

_NOTE = (
    "mIoU is the mean intersection over union in percent on the evaluation images, which are the same in all runs; "
    "latency is the median time of one image, which each run measured on its own. Means over the seeds, with several "
    "seeds the standard deviation too (divided by n - 1). "
)
_MEASURES = {
    "supernet_miou": Column("supernet mIoU", format_percent),
    "retrained_miou": Column("retrained mIoU", format_percent),
    "latency_ms": Column("latency (ms)", "{:.2f}".format),
    "fps": Column("FPS", "{:.1f}".format),
    "parameters": Column("params (M)", lambda value: f"{value / 1e6:.3f}"),
}
_MOST_SETTINGS = 4
"""Columns of settings that people get; the CSV has all."""


def make_runs_table(runs: Sequence[ComparedRun]) -> Table:
    """The runs in their order, their methods in alphabetical order."""
    differing = find_differing_settings(runs)
    columns = {run.name: {key: _show(found[i]) for key, found in differing.items()} for i, run in enumerate(runs)}
    values, shown = [], []
    for run in runs:
        for method, group in group_by_method(run.networks).items():
            rows = [
                {
                    "supernet_miou": None if n.supernet is None else n.supernet["miou"],
                    "retrained_miou": n.network["miou"],
                }
                | {"latency_ms": n.profile["median_ms"], "p95_ms": n.profile["p95_ms"], "fps": n.profile["fps"]}
                | {name: n.profile[name] for name in ("predicted_ms", "parameters", "macs")}
                for n in group
            ]
            head = {"run": run.name, "method": method}
            values += [head | {"seed": n.seed} | row | columns[run.name] for n, row in zip(group, rows, strict=True)]
            people = {"run": run.name} | dict(list(columns[run.name].items())[:_MOST_SETTINGS])
            people |= {"method": method + mark_role(method), "seeds": str(len(group))}
            for name, column in _MEASURES.items():
                people[column.title] = format_mean(column.text, *mean_and_deviation([row[name] for row in rows]))
            shown.append(people)
    warnings = tuple(_warn(runs, list(differing)))
    note = _NOTE + _describe(list(differing))
    return Table("compare", "Runs compared", note, pd.DataFrame(values), pd.DataFrame(shown, dtype=object), warnings)


def _warn(runs: Sequence[ComparedRun], differing: Sequence[str]) -> Iterator[str]:
    networks = name_networks(runs)
    if len(differing) > _MOST_SETTINGS:
        yield f"The runs differ in {len(differing)} settings, so no single one explains a difference."
    yield from map(escape_markdown, list_caveats(runs))
    yield from map(escape_markdown, say_equal(find_equal(networks), explain_equal(runs)))
    if (noise := warn_of_noise(networks)) is not None:
        yield noise


def _describe(differing: Sequence[str]) -> str:
    if not differing:
        return "The runs have the same settings, but for their name, methods, baselines and seeds."
    if len(differing) <= _MOST_SETTINGS:
        return "The settings in which the runs differ have columns of their own."
    names = ", ".join(f"`{key}`" for key in differing[_MOST_SETTINGS:])
    return f"Settings that differ too, with their values in the CSV: {names}."


def _show(value: Any) -> str:
    """The value of a setting as people write it: 18 and not 18.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)
