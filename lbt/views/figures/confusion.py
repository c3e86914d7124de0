"""Confusion matrix of a network, each row in percent of the true class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from lbt.views.figures.style import MISSING, write_label

ANNOTATED = 20
"""Largest number of classes whose cells have room for a number."""


def normalise_rows(confusion: Sequence[Sequence[int]]) -> np.ndarray:
    """Share of each predicted class in the pixels of a true class: (C, C) in [0, 1], NaN for an absent class."""
    counts = np.asarray(confusion, dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def draw_confusion(confusion: Sequence[Sequence[int]], names: Sequence[str], title: str) -> Figure:
    """A cell per true class (row) and predicted class (column); the row of an absent class is grey without numbers.

    Args:
        confusion: counts (C, C); rows are the true class.
        names: the classes.
        title: heading.
    """
    shares = normalise_rows(confusion)
    names = [write_label(name) for name in names]
    count = len(names)
    size = 2.4 + (0.46 if count <= ANNOTATED else 0.27) * count
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    colors = colormaps["cividis"].with_extremes(bad=MISSING)
    # a mesh, because some viewers would smooth an image
    percent = np.ma.masked_invalid(100 * shares)
    mesh = axes.pcolormesh(percent, cmap=colors, vmin=0, vmax=100, edgecolor="white", linewidth=0.4)
    axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal", title=title)
    axes.set(xlabel="predicted class", ylabel="true class")
    small = 8 if count <= ANNOTATED else 7
    absent = np.isnan(shares).all(axis=1)
    labels = [f"{name} (no pixel)" if gone else name for name, gone in zip(names, absent, strict=True)]
    centres = np.arange(count) + 0.5
    axes.set_xticks(centres, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=small)
    axes.set_yticks(centres, labels, fontsize=small)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if count <= ANNOTATED:
        for row, column in np.argwhere(shares >= 0.005):
            share = shares[row, column]
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=7.5,
                color="black" if share > 0.55 else "white",
            )
    bar = figure.colorbar(mesh, ax=axes, shrink=0.7, pad=0.02)
    bar.set_label("share of the true class's pixels (%)")
    bar.outline.set_visible(False)
    return figure
