"""Curves over rounds or steps by method, with the spread over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.views.figures.panels import Panel
from lbt.views.figures.scales import scale_rounds, scale_values
from lbt.views.figures.style import draw_grid, draw_legend
from lbt.views.method_styles import MethodStyle, method_style
from lbt.views.search_metrics import average_by_part, average_by_step

BINS = 20
"""Number of parts of a retraining, which has no rounds; a thick line connects the means of the parts."""


def draw_curves(steps: pd.DataFrame, panels: Sequence[Panel], columns: int, along: str = "round") -> Figure:
    """A panel per quantity: thin lines follow the steps, thick lines the means of rounds; both are means over seeds.

    The band around a thick line reaches from the smallest to the largest seed. All panels have the same x axis.

    Args:
        steps: rows with `method`, `seed`, `place`, `part` (the round) and the panels' columns; blanks stay blank.
        panels: the quantities; a quantity without any value is left out.
        columns: panels in a row.
        along: name of the x axis.
    """
    present = [p for p in panels if p.column in steps and steps[p.column].notna().any()]
    columns = min(columns, len(present))
    rows = -(-len(present) // columns)
    figure = Figure(figsize=(3.5 * columns, 2.4 * rows + 0.4), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    methods = list(dict.fromkeys(steps["method"]))
    for axes, panel in zip(every, present, strict=False):
        for method in methods:
            part = steps[steps["method"] == method]
            style = method_style(method, methods)
            axes.plot([], [], label=method, **_thick_line(style))
            if part[panel.column].notna().any():
                _draw_lines(axes, part, panel, style)
        axes.set(title=_describe_panel(steps, panel), xlabel=along)
        scale_rounds(axes, steps["place"].max())
        scale_values(axes, panel)
        draw_grid(axes)
    for axes in every[len(present) :]:
        axes.remove()
    draw_legend(figure, every[0])
    return figure


def _draw_lines(axes: Axes, steps: pd.DataFrame, panel: Panel, style: MethodStyle) -> None:
    if panel.counts:
        points = average_by_step(steps, panel.column)
        axes.fill_between(points["place"], points["low"], points["high"], color=style.color, alpha=0.15, linewidth=0)
        axes.plot(points["place"], points["mean"], **_thick_line(style) | {"marker": None})
        return
    fine, coarse = average_by_step(steps, panel.column), average_by_part(steps, panel.column)
    if len(fine) > len(coarse):
        dots: dict[str, Any] = {"marker": ".", "markersize": 4, "markeredgewidth": 0} if len(fine) <= BINS else {}
        axes.plot(fine["place"], fine["mean"], color=style.color, linewidth=0.6, alpha=0.45, **dots)
    axes.fill_between(coarse["place"], coarse["low"], coarse["high"], color=style.color, alpha=0.15, linewidth=0)
    marks = {} if len(coarse) <= BINS else {"marker": None}
    axes.plot(coarse["place"], coarse["mean"], **_thick_line(style) | marks)


def _thick_line(style: MethodStyle) -> dict[str, Any]:
    """Dashed lines lie on solid ones and marks are hollow, so that equal curves show through each other."""
    return {
        "color": style.color,
        "linestyle": style.line,
        "linewidth": 2.4 if style.line == "-" else 1.8,
        "marker": style.marker,
        "markersize": 6,
        "markerfacecolor": "none",
        "markeredgewidth": 1.3,
        "zorder": 2.5 if style.line == "-" else 3,
        "clip_on": False,  # marks at the ends of an axis stay whole
        "in_layout": False,  # otherwise the empty lines of the legend fail the layout
    }


def _describe_panel(steps: pd.DataFrame, panel: Panel) -> str:
    """The panel's title, with the round if only one of several rounds was scored."""
    parts = steps.loc[steps[panel.column].notna(), "part"].unique()
    alone = panel.scored and len(parts) == 1 and steps["part"].nunique() > 1
    return f"{panel.title} after round {parts[0]}" if alone else panel.title
