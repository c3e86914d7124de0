"""Ground truth beside the predictions of all methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lbt.data.classes import IGNORE, ClassTable
from lbt.data.label_images import color_labels
from lbt.views.figures.style import write_label

LARGEST = 640
"""Longest side of a panel in pixels; larger images are thinned out."""


@dataclass(frozen=True, eq=False)
class Example:
    """An image and the predictions of the methods.

    Attributes:
        name: identifier of the image.
        image: colours (H, W, 3) uint8.
        truth: class indices (H, W) uint8, 255 where ignored.
        predictions: class indices (H, W) uint8 by method.
    """

    name: str
    image: np.ndarray
    truth: np.ndarray
    predictions: Mapping[str, np.ndarray]


def draw_predictions(rows: Sequence[Example], table: ClassTable, title: str) -> Figure:
    """A row per image: photograph, ground truth, prediction of each method; below them the colours of the classes.

    Pixels that the ground truth ignores are not scored, so they are black in the predictions too.
    """
    methods = list(rows[0].predictions)
    headings = ["image", "ground truth", *methods]
    width = 2.3
    heights = [width * row.truth.shape[0] / row.truth.shape[1] for row in rows]
    per_line = max(1, int(len(headings) * width // 1.5))
    lines = -(-table.num_classes // per_line)
    below, above, left = 0.2 * lines + 0.15, 0.62, 0.05
    gap = 0.22
    total = below + above + sum(heights) + gap * len(rows)
    across = left + len(headings) * (width + 0.06)
    figure = Figure(figsize=(across, total))
    top = total - above
    for row, height in zip(rows, heights, strict=True):
        labels = [row.truth, *(np.where(row.truth == IGNORE, IGNORE, p) for p in row.predictions.values())]
        panels = [row.image, *(color_labels(label, table.colors) for label in labels)]
        top -= height
        for i, (heading, panel) in enumerate(zip(headings, panels, strict=True)):
            box = ((left + i * (width + 0.06)) / across, top / total, width / across, height / total)
            axes = figure.add_axes(box)
            axes.imshow(_thin_out(panel), interpolation="none")
            axes.set_axis_off()
            if row is rows[0]:
                axes.set_title(heading, pad=4)
            if i == 0:
                name = write_label(row.name)
                axes.text(0, -0.02, name, transform=axes.transAxes, va="top", fontsize=7, color="#555555")
        top -= gap
    patches = [
        Patch(facecolor=(red / 255, green / 255, blue / 255), edgecolor="#444444", linewidth=0.5, label=name)
        for name, (red, green, blue) in zip(map(write_label, table.names), table.colors, strict=True)
    ]
    figure.legend(handles=patches, loc="lower center", ncols=min(per_line, len(patches)), fontsize=8, handlelength=1.4)
    figure.suptitle(title, fontsize=11, y=1 - 0.12 / total, va="top")
    return figure


def _thin_out(panel: np.ndarray) -> np.ndarray:
    """Keep every n-th pixel, so that the longest side is at most `LARGEST`."""
    step = -(-max(panel.shape[:2]) // LARGEST)
    return panel[::step, ::step]
