"""The derived network as its path through layers and scales, with operators and widths.

Layers go from top to bottom, so that a network of any depth fits the width of a page with readable text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Patch

from lbt.config import SpaceSettings
from lbt.network.genotype import Genotype, cell_channels
from lbt.views.figures.style import GRID, INK

COLUMNS = {8: 0.0, 16: 2.2, 32: 4.4}
"""x of the cells by the scale of their output."""
COLORS = ("#0072B2", "#D55E00", "#009E73")
"""Colours of the branches, the coarsest first."""
SHARED = "#555555"
READING = "in a cell: operator, ↓2: stride 2; channels, a multiple of 8 (twelfths of the full width)"
BOX = (0.98, 0.66)
"""Width and height of a cell; the distance of two layers is 1."""
STEM, END = -1.2, 0.35
"""y of the stem, and of the heads below the last layer."""


@dataclass(frozen=True)
class Box:
    """A cell in the figure.

    Attributes:
        x, y: centre. x is that of the scale, with an offset per branch; y is the layer and grows downwards.
        text: operator, stride and output channels.
        color: of its branch, or of the shared prefix.
    """

    x: float
    y: float
    text: str
    color: str


def place_boxes(genotype: Genotype, space: SpaceSettings) -> list[list[Box]]:
    """Place the cells of each branch, shared ones first; the scale of a cell is that of its output."""
    shared = genotype.shared_prefix()
    count = len(genotype.branches)
    chains = []
    for index, branch in enumerate(genotype.branches):
        offset = 0.0 if count == 1 else 0.53 * (count - 1) * (1 - 2 * index / (count - 1))
        chain = []
        for position, (cell, (_, out)) in enumerate(zip(branch.cells, cell_channels(branch, space), strict=True)):
            common = position < shared
            down = " ↓2" if cell.stride == 2 else ""
            text = f"{cell.operator}{down}\n{out} ({cell.width_twelfths}/12)"
            x = COLUMNS[cell.scale * cell.stride] + (0 if common else offset)
            chain.append(Box(x, cell.layer, text, SHARED if common else COLORS[index]))
        chains.append(chain)
    return chains


def draw_network(genotype: Genotype, space: SpaceSettings, title: str) -> Figure:
    """Layers from top to bottom, scales from left to right; grey cells run once for all branches."""
    figure = Figure(figsize=(7.2, 0.5 * space.layers + 2.6), layout="constrained")
    axes = figure.subplots()
    end = space.layers + END
    for column in COLUMNS.values():
        axes.axvline(column, color=GRID, linewidth=0.8, zorder=0)
    chains = place_boxes(genotype, space)
    _draw_box(axes, Box(0, STEM, "stem\n1/2, 1/4, 1/8", INK))
    for index, (branch, chain) in enumerate(zip(genotype.branches, chains, strict=True)):
        head = Box(chain[-1].x, end, f"head\n1/{branch.scale}", COLORS[index])
        path = [Box(0, STEM, "", INK), *chain, head]
        drawn = genotype.shared_prefix() if index else 0  # cells drawn with the first branch
        for before, after in list(pairwise(path))[drawn:]:
            _draw_arrow(axes, before, after)
        for box in (*chain[drawn:], head):
            _draw_box(axes, box)
    axes.set(xlim=(-1.2, max(COLUMNS.values()) + 1.2), ylim=(end + 0.6, STEM - 0.6), title=title)
    axes.set(xlabel=f"scale of the output\n{READING}", ylabel="layer")
    axes.set_xticks(list(COLUMNS.values()), [f"1/{scale}" for scale in COLUMNS])
    axes.set_yticks(range(space.layers))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.legend(handles=list(_list_branches(genotype)), loc="outside lower center", ncols=3)
    return figure


def _draw_box(axes: Axes, box: Box) -> None:
    width, height = BOX
    axes.add_patch(
        FancyBboxPatch(
            (box.x - width / 2, box.y - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="white",
            edgecolor=box.color,
            linewidth=1.6,
            zorder=3,
        )
    )
    axes.text(box.x, box.y, box.text, ha="center", va="center", fontsize=7.5, linespacing=1.15, zorder=4)


def _draw_arrow(axes: Axes, before: Box, after: Box) -> None:
    axes.annotate(
        "",
        (after.x, after.y - BOX[1] / 2),
        (before.x, before.y + BOX[1] / 2),
        arrowprops={"arrowstyle": "-|>", "color": after.color, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0},
        zorder=2,
    )


def _list_branches(genotype: Genotype) -> Iterator[Patch]:
    if genotype.shared_prefix():
        yield Patch(facecolor="white", edgecolor=SHARED, linewidth=1.6, label="shared, evaluated once")
    for color, branch in zip(COLORS, genotype.branches, strict=False):
        yield Patch(facecolor="white", edgecolor=color, linewidth=1.6, label=f"branch that ends at 1/{branch.scale}")
