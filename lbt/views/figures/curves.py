"""Curves over rounds or steps by method, with the spread over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lbt.views.figures.style import MethodStyle, grid, method_legend, method_style
from lbt.views.steps import by_part, by_step


@dataclass(frozen=True)
class Panel:
    """One quantity.

    Attributes:
        column: its column in the steps.
        title: what it is, with its unit.
        positive: whether its axis is logarithmic where the values span more than `DECADES`.
        counts: whether it is a count that only grows, of which every step is drawn as it is.
    """

    column: str
    title: str
    positive: bool = False
    counts: bool = False


DECADES = 10.0
"""Ratio of the greatest to the least value above which an axis is logarithmic."""
BINS = 20
"""Parts of a retraining, which has no rounds, whose means are drawn thick."""

LOSSES = (
    Panel("supernet_miou", "supernet on held-out images: mIoU (%)"),
    Panel("teacher_loss", "loss of T on its training images"),
    Panel("teacher_val_loss", "loss of T on its validation images"),
    Panel("student_loss", "loss of S on its training images"),
    Panel("student_val_loss", "loss of S on its validation images"),
    Panel("pseudo_loss", "loss of S on the teacher's labels"),
    Panel("bank_loss", "loss of S on the bank's images (lpt)"),
)
ARCHITECTURE = (
    Panel("latency_ms", "expected latency (ms)"),
    Panel("fps", "predicted FPS of the derived network"),
    Panel("latency_weight", "weight of the latency", positive=True),
    Panel("entropy_alpha", "entropy of alpha (1: uniform)"),
    Panel("entropy_beta", "entropy of beta (1: uniform)"),
    Panel("entropy_gamma", "entropy of gamma (1: uniform)"),
)
GRADIENTS = (
    Panel("teacher_weight_gradient_norm", "gradient norm of the weights of T", positive=True),
    Panel("student_weight_gradient_norm", "gradient norm of the weights of S", positive=True),
    Panel("architecture_gradient_norm", "gradient norm of A", positive=True),
    Panel("skipped", "skipped updates so far", counts=True),
    Panel("teacher_gradient_norm", "of A's: norm of the teacher's part", positive=True),
    Panel("student_gradient_norm", "of A's: norm of the student's part, raw", positive=True),
    Panel("latency_gradient_norm", "of A's: norm of the latency's part", positive=True),
    Panel("teacher_student_cosine", "of A's: cosine of teacher's and student's part"),
)
RETRAINING = (
    Panel("loss", "retraining: loss"),
    Panel("gradient_norm", "retraining: norm of the gradient", positive=True),
    Panel("distillation_loss", "retraining: divergence from the guide"),
)


def draw_curves(steps: pd.DataFrame, panels: Sequence[Panel], columns: int, along: str = "round") -> Figure:
    """A panel per quantity: thin lines follow the steps, thick ones the means of the rounds; both are means over seeds.

    The band around a thick line reaches from the least to the greatest of the seeds.

    Args:
        steps: rows with `method`, `seed`, `place`, `part` (the round) and the panels' columns; blanks stay blank.
        panels: the quantities; one of which no method has a value is left out.
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
            axes.plot([], [], color=style.color, linestyle=style.line, marker=style.marker, label=method)
            if part[panel.column].notna().any():
                _lines(axes, part, panel, style)
        _dress(axes, panel, along)
    for axes in every[len(present) :]:
        axes.remove()
    method_legend(figure, every[0])
    return figure


def _lines(axes: Axes, steps: pd.DataFrame, panel: Panel, style: MethodStyle) -> None:
    if panel.counts:
        points = by_step(steps, panel.column)
        axes.fill_between(points["place"], points["low"], points["high"], color=style.color, alpha=0.15, linewidth=0)
        axes.plot(points["place"], points["mean"], color=style.color, linestyle=style.line, linewidth=1.8)
        return
    fine, coarse = by_step(steps, panel.column), by_part(steps, panel.column)
    if len(fine) > len(coarse):
        axes.plot(fine["place"], fine["mean"], color=style.color, linewidth=0.6, alpha=0.45)
    axes.fill_between(coarse["place"], coarse["low"], coarse["high"], color=style.color, alpha=0.15, linewidth=0)
    marks = {"marker": style.marker, "markersize": 4.5} if len(coarse) <= BINS else {}
    axes.plot(coarse["place"], coarse["mean"], color=style.color, linestyle=style.line, linewidth=1.8, **marks)


def _dress(axes: Axes, panel: Panel, along: str) -> None:
    axes.set(title=panel.title, xlabel=along)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if panel.positive:
        drawn = np.concatenate([line.get_ydata() for line in axes.lines])
        drawn = drawn[drawn > 0]
        if len(drawn) and drawn.max() > DECADES * drawn.min():
            axes.set_yscale("log", nonpositive="mask")
    if panel.counts:
        top = max(1.0, axes.get_ylim()[1])
        axes.set_ylim(-0.05 * top, top)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    grid(axes)
