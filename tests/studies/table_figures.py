"""The figures of the searches that a table scores."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from paired import differences, estimate_mean
from table_searches import BASE, NONE

from lbt.views.figures.style import GRID, INK, draw_grid
from lbt.views.method_styles import MethodStyle, method_style

By = dict[str, dict[int, float]]
"""A value by variant and seed."""
CAPTION = "small: seeds; large: mean, 95 % interval"
_SAME = {"lbt-best": "lbt", NONE: "random"}
"""Variants with the style of a method."""


def by_variant(rows: Sequence[Mapping[str, Any]], column: str) -> By:
    """A column by variant and seed, without blanks."""
    found: By = {}
    for row in rows:
        if not math.isnan(row[column]):
            found.setdefault(row["variant"], {})[row["seed"]] = row[column]
    return found


def draw_values(rows: Sequence[Mapping[str, Any]], column: str, part: str) -> Figure:
    """V(A) by variant, and the paired differences from `fasterseg`: a mark per seed, means with 95 % intervals."""
    found = by_variant(rows, column)
    figure = Figure(figsize=(8.2, 0.9 + 0.42 * len(found)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, (variant, values) in enumerate(found.items()):
        style = _style(variant, found)
        _draw_seeds(left, list(values.values()), place, style)
        if variant != BASE and found.get(BASE):
            _draw_seeds(right, differences(values, found[BASE]), place, style)
    right.axvline(0, color=INK, linewidth=0.8, zorder=1)
    left.set_yticks(range(len(found)), [f"{variant} ({len(values)})" for variant, values in found.items()])
    left.invert_yaxis()
    left.set_title(CAPTION, loc="left", fontsize=8)
    left.set(xlabel=f"V(A), mIoU on {part} (%)", ylabel="variant (seeds)")
    right.set(xlabel=f"difference from {BASE} of the same seed (points)")
    for axes in (left, right):
        draw_grid(axes)
        axes.margins(y=0.08)
    return figure


def draw_table(scores: pd.Series, rows: Sequence[Mapping[str, Any]], title: str, label: str) -> Figure:
    """The scores of all networks, and below them those of the derived networks.

    Args:
        scores: of each network, in [0, 1], measured or predicted.
        rows: of the searches, with `derived` in %, from the same scores.
        title: of the figure.
        label: what the scores are.
    """
    found = by_variant(rows, "derived")
    figure = Figure(figsize=(6.8, 2.6 + 0.3 * len(found)), layout="constrained")
    ratios = [2.2, 0.3 * len(found)]
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": ratios})
    upper.hist(100 * scores.to_numpy(), bins=32, color=GRID, edgecolor="#999999", linewidth=0.6)
    upper.set(ylabel="networks")
    for place, (variant, values) in enumerate(found.items()):
        style, counts = _style(variant, found), Counter(values.values())
        sizes = [18.0 * count for count in counts.values()]
        heights = [place] * len(counts)
        lower.scatter(list(counts), heights, sizes, color=style.color, marker=style.marker, alpha=0.75, linewidths=0)
    lower.set_yticks(range(len(found)), [f"{variant} ({len(values)})" for variant, values in found.items()])
    lower.set_ylim(len(found) - 0.4, -0.6)
    lower.set(xlabel=label, ylabel="derived by (seeds)")
    draw_grid(lower)
    upper.set_title(title, loc="left")
    figure.text(0.99, 0.005, "area of a mark: number of seeds that derived the network", ha="right", fontsize=7.5)
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))  # type: ignore[union-attr, call-arg]
    return figure


def draw_ratios(rows: Sequence[Mapping[str, Any]], column: str, part: str) -> Figure:
    """V(A) against |D_pl| : |D_s^tr|: a thin line per seed, means with 95 % intervals."""
    found = {float(name.removeprefix("ratio-")): values for name, values in by_variant(rows, column).items()}
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes, style = figure.subplots(), method_style("lbt", ["lbt"])
    for seed in sorted(set().union(*found.values())):
        own = {ratio: values[seed] for ratio, values in sorted(found.items()) if seed in values}
        axes.plot(list(own), list(own.values()), color="#bbbbbb", linewidth=0.8, marker=".", markersize=3, zorder=2)
    means = {ratio: estimate_mean(list(values.values())) for ratio, values in sorted(found.items())}
    errors = np.abs([[m.low - m.mean, m.high - m.mean] for m in means.values()]).T
    axes.errorbar(
        list(means), [m.mean for m in means.values()], yerr=np.nan_to_num(errors), color=style.color,
        marker=style.marker, linestyle="", markersize=7, capsize=4, zorder=3,
    )  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(means), [f"{ratio:g}\n({means[ratio].count})" for ratio in means])
    axes.minorticks_off()
    axes.margins(x=0.1)
    axes.set_title(CAPTION, loc="left", fontsize=8)
    axes.set(xlabel="pseudo-labelled per labelled image of the student (seeds)", ylabel=f"V(A), mIoU on {part} (%)")
    draw_grid(axes)
    return figure


def _style(variant: str, variants: Mapping[str, Any]) -> MethodStyle:
    return method_style(_SAME.get(variant, variant), [_SAME.get(name, name) for name in variants])


def _draw_seeds(axes: Axes, values: Sequence[float], place: int, style: MethodStyle) -> None:
    """A small mark per seed, side by side, and the mean with its interval below."""
    heights = place - 0.18 + 0.12 * np.linspace(-1, 1, len(values))
    axes.scatter(values, heights, 9, color=style.color, marker=style.marker, alpha=0.45, linewidths=0, zorder=2)
    found = estimate_mean(values)
    if not found.count:
        return
    error = np.nan_to_num([[found.mean - found.low], [found.high - found.mean]])
    axes.errorbar(
        [found.mean], [place + 0.16], xerr=error, color=style.color, marker=style.marker, markersize=6, capsize=3,
        linewidth=1.4, zorder=3,
    )  # fmt: skip
