"""Alpha, beta and gamma over the rounds of a search as heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from lbt.config import SpaceSettings
from lbt.network.genotype import Genotype
from lbt.space.architecture import PREDECESSORS, SCALES, first_layer
from lbt.views.figures.style import MISSING

KINDS = {"alpha": "operators", "beta": "paths", "gamma": "widths"}
CHOSEN = "#ff3b30"
LEAST = 0.05
"""Least distance from the uniform probability to either end of the colours."""
Logits = Mapping[str, Sequence[Sequence[float]]]


def stack_probabilities(rounds: Sequence[Logits], key: str) -> np.ndarray:
    """Probabilities of one key, such as `alpha.8`, after each round.

    Returns:
        (rows, choices, rounds); the choices of a row and round sum to 1.
    """
    logits = np.stack([np.asarray(architecture[key], dtype=float) for architecture in rounds], axis=-1)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def find_first_layer(kind: str, scale: int) -> int:
    """The layer of row 0 of alpha, beta or gamma; see `lbt.space.architecture`."""
    first = first_layer(scale)
    return {"alpha": first, "beta": first + 1, "gamma": max(first, 1)}[kind]


def find_color_limits(shares: Sequence[np.ndarray]) -> tuple[float, float]:
    """Probabilities of the first and the last colour: a range with a least width, so that uniform looks uniform.

    Args:
        shares: of one kind, from `stack_probabilities`.
    """
    uniform = 1 / shares[0].shape[1]
    low, high = min(s.min() for s in shares), max(s.max() for s in shares)
    return max(0.0, min(low, uniform - LEAST)), min(1.0, max(high, uniform + LEAST))


def list_chosen(genotype: Genotype, space: SpaceSettings) -> dict[str, set[tuple[int, int]]]:
    """Layer and index of each choice of the derived network, by kind and scale, such as `alpha.8`.

    Predecessor and width belong to the layer that the feature enters. A layer without a cell has the operator skip,
    which the derivation removed. The last cell's output has one width, so it has no choice.
    """
    found: dict[str, set[tuple[int, int]]] = {}
    for branch in genotype.branches:
        cells = {cell.layer: cell for cell in branch.cells}
        scale: int = cells[min(cells)].scale
        for layer in range(space.layers):
            cell = cells.get(layer)
            operator, stride = (cell.operator, cell.stride) if cell else ("skip", 1)
            found.setdefault(f"alpha.{scale}", set()).add((layer, space.operators.index(operator)))
            scale *= stride
            if layer + 1 < space.layers:
                edge = PREDECESSORS.index("down" if stride == 2 else "keep")
                found.setdefault(f"beta.{scale}", set()).add((layer + 1, edge))
            if cell is not None and layer < max(cells):
                index = space.width_twelfths.index(cell.width_twelfths)
                found.setdefault(f"gamma.{scale}", set()).add((layer + 1, index))
    return found


def draw_architecture(
    rounds: Sequence[Logits], space: SpaceSettings, title: str, genotype: Genotype | None = None
) -> Figure:
    """A panel per kind and scale, with a row per layer, a block per choice, and in a block a column per round.

    A white line in the colour bar marks the uniform probability. A red frame marks a choice of the derived network.

    Args:
        rounds: the architecture after each round, from `architecture_to_json`.
        space: the search space, for the names of the widths.
        title: heading.
        genotype: the derived network; None marks nothing.
    """
    chosen = {} if genotype is None else list_chosen(genotype, space)
    names = {
        "alpha": space.operators,
        "beta": PREDECESSORS,
        "gamma": tuple(f"{width}/12" for width in space.width_twelfths),
    }
    height = 0.16 * space.layers + 0.55
    figure = Figure(figsize=(12, 3 * height + 0.9), layout="constrained")
    panels = figure.subplots(len(KINDS), len(SCALES))
    for row, kind in zip(panels, KINDS, strict=True):
        keys = [f"{kind}.{scale}" for scale in SCALES]
        shares = {key: stack_probabilities(rounds, key) for key in keys if key in rounds[0] and len(rounds[0][key])}
        limits, uniform = find_color_limits(list(shares.values())), 1 / len(names[kind])
        images = []
        for axes, key, scale in zip(row, keys, SCALES, strict=True):
            if key not in shares:
                axes.set_axis_off()
                continue
            first = find_first_layer(kind, scale)
            images.append(_draw_panel(axes, shares[key], first, names[kind], space.layers, limits))
            _frame(axes, chosen.get(key, set()), first, len(rounds))
            axes.set_title(f"{KINDS[kind]} at 1/{scale} (uniform: {uniform:.3g})")
        bar = figure.colorbar(images[0], ax=list(row), pad=0.01, aspect=12)
        bar.ax.axhline(uniform, color="white", linewidth=1.6)
        bar.set_label("probability", fontsize=8)
        bar.outline.set_visible(False)
    when = "round 1" if len(rounds) == 1 else f"rounds 1 to {len(rounds)}, left to right in each block"
    framed = "" if genotype is None else "; red frames: the derived network"
    figure.suptitle(f"{title}: probabilities after {when}{framed}", fontsize=11)
    return figure


def _frame(axes: Axes, chosen: set[tuple[int, int]], first: int, rounds: int) -> None:
    """Frame the blocks of the chosen (layer, index); a layer before `first` has no choice."""
    for layer, index in sorted(chosen):
        if layer >= first:
            frame = Rectangle((index * rounds, layer), rounds, 1, fill=False, edgecolor=CHOSEN, linewidth=1.6, zorder=5)
            frame.set_clip_on(False)  # whole at the edges of the panel
            axes.add_patch(frame)


def _draw_panel(
    axes: Axes,
    shares: np.ndarray,
    first: int,
    names: Sequence[str],
    layers: int,
    limits: tuple[float, float],
) -> AxesImage:
    rows, choices, rounds = shares.shape
    cells = np.full((layers, choices * rounds), np.nan)
    cells[first : first + rows] = shares.reshape(rows, choices * rounds)
    axes.set_facecolor(MISSING)
    image = axes.imshow(
        np.ma.masked_invalid(cells),
        cmap="cividis",
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",
        interpolation="none",
        extent=(0, choices * rounds, layers, 0),
    )
    for edge in range(1, choices):
        axes.axvline(edge * rounds, color="white", linewidth=2.5)
    axes.hlines(range(first + 1, first + rows), 0, choices * rounds, color="white", linewidth=0.6)
    axes.set(xlim=(0, choices * rounds), ylim=(layers, 0))
    axes.set_xticks([(i + 0.5) * rounds for i in range(choices)], names, fontsize=8)
    axes.set_yticks(np.arange(layers) + 0.5, [str(layer) for layer in range(layers)], fontsize=7)
    axes.set_ylabel("layer", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image
