"""From an architecture's logits to a genotype: FasterSeg's released rule (train/model_seg.py) as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype
from lbt.space.architecture import OPERATORS, alpha_row, beta_row, gamma_row, probabilities, validate_architecture

SKIP = OPERATORS.index("skip")


def candidate_paths(layers: int, scale: int) -> list[tuple[int, ...]]:
    """The paths that end at 1/`scale`, each as the layers whose cell has stride 2.

    As in the release, a path stays at 1/8 for at least two layers after the stem, at 1/16 for at least three before
    it goes on to 1/32, and at the last scale for at least two (1/32) or three (1/16). Where the space has too few
    layers for that, every path that leaves one cell at each scale and has its own row of beta is a candidate.
    """
    if scale == 8:
        return [()]
    if scale == 16:
        return [(down,) for down in range(1, max(layers - 3, 2))]
    return _pairs(first=2, gap=3, last=layers - 3) or _pairs(first=1, gap=1, last=layers - 2)


def _pairs(first: int, gap: int, last: int) -> list[tuple[int, ...]]:
    return [(a, b) for b in range(first + gap, last + 1) for a in range(first, b - gap + 1)]


def path_probability(weights: Mapping[str, Tensor], downs: Sequence[int]) -> float:
    """The release's score of a path: the product of the probabilities of its downs, 1 where there are none.

    The probability of a down at layer d is that of the finer predecessor of the feature that it makes, which enters
    layer d + 1. (For paths to 1/16 the release reads the row of layer d + 2 instead, unlike for paths to 1/32.)

    Args:
        weights: `lbt.space.architecture.probabilities` of the architecture.
        downs: the path, from `candidate_paths`.
    """
    entered = zip(downs, (16, 32), strict=False)
    return prod(float(weights[f"beta.{coarser}"][beta_row(down + 1, coarser), 0]) for down, coarser in entered)


def most_probable_path(architecture: Mapping[str, Tensor], layers: int, scale: int) -> tuple[int, ...]:
    """The candidate of the highest `path_probability`; the first of equals."""
    weights = probabilities(architecture)
    return max(candidate_paths(layers, scale), key=lambda downs: path_probability(weights, downs))


def path_scales(downs: Sequence[int], layers: int) -> list[int]:
    """Scale of the cell at each layer of a path."""
    return [8 * 2 ** sum(down < layer for down in downs) for layer in range(layers)]


def choose_operators(rows: Sequence[Tensor], downs: Sequence[int], minimum: int) -> list[str | None]:
    """Operator of each layer of a path, or None where a skip is pruned.

    The most probable operator is taken. A skip that is not pruned (`find_pruned_skips`) gives way to the most probable
    of the other operators, so no skip is left.

    Args:
        rows: the row of alpha of each layer, (5,).
        downs: layers whose cell has stride 2.
        minimum: least number of layers that remain.
    """
    best = [int(row.argmax()) for row in rows]
    skips = {i: float(rows[i].softmax(-1)[SKIP]) for i, b in enumerate(best) if b == SKIP and i not in downs}
    pruned = find_pruned_skips(skips, downs, len(rows), minimum)
    others = [i for i in range(len(OPERATORS)) if i != SKIP]
    return [
        None if i in pruned else OPERATORS[others[int(rows[i][others].argmax())] if b == SKIP else b]
        for i, b in enumerate(best)
    ]


def find_pruned_skips(skips: Mapping[int, float], downs: Sequence[int], layers: int, minimum: int) -> set[int]:
    """Layers of a path whose skip is pruned.

    Skips of stride 1 are pruned, the most probable first, while more than `minimum` layers remain; of a stretch that
    follows a down and is all skips, the least probable skip is not pruned, even where that leaves more layers.

    Args:
        skips: probability of the skip at each layer of stride 1 whose operator is a skip.
        downs: layers whose cell has stride 2.
        layers: number of layers of the path.
        minimum: least number of layers that remain.
    """
    needed = set()
    for start, end in pairwise([*downs, layers]):
        stretch = range(start + 1, end)
        if stretch and all(i in skips for i in stretch):
            needed.add(min(reversed(stretch), key=skips.__getitem__))
    return set(sorted(skips, key=lambda i: (-skips[i], i))[: max(layers - minimum, 0)]) - needed


def minimum_length(space: SpaceSettings, scale: int) -> int:
    """Least number of cells of a branch that ends at 1/`scale`: the setting, or a third of L plus 2 per halving."""
    halvings = {8: 0, 16: 1, 32: 2}[scale]
    length = space.min_length if space.min_length is not None else round(space.layers / 3) + 2 * halvings
    return min(length, space.layers)


def build_branch(architecture: Mapping[str, Tensor], space: SpaceSettings, downs: Sequence[int]) -> Branch:
    """The branch along one path: operators and widths by largest logit, skips pruned.

    Args:
        architecture: alpha and gamma are read.
        space: the search space.
        downs: the path, from `candidate_paths`.
    """
    scales = path_scales(downs, space.layers)
    rows = [architecture[f"alpha.{scale}"][alpha_row(layer, scale)] for layer, scale in enumerate(scales)]
    operators = choose_operators(rows, downs, minimum_length(space, scales[-1]))
    kept = [layer for layer, operator in enumerate(operators) if operator is not None]
    cells = []
    for layer in kept:
        if layer == kept[-1]:
            width = space.head_twelfths
        else:
            scale = scales[layer + 1]
            width = space.width_twelfths[int(architecture[f"gamma.{scale}"][gamma_row(layer + 1, scale)].argmax())]
        cells.append(Cell(layer, scales[layer], operators[layer], 2 if layer in downs else 1, width))
    return Branch(scales[-1], tuple(cells))


def derive_genotype(
    architecture: Mapping[str, Tensor], space: SpaceSettings, ends: tuple[int, ...] | None = None
) -> Genotype:
    """The genotype of an architecture by the released rule.

    Args:
        architecture: the logits.
        space: the search space.
        ends: scales at which the branches end, coarsest first. By default those of `space.branches`; with `best`,
            where the release compares two choices by their score on images (`lbt.network.candidates`), (32, 16).

    Raises:
        LbtError: the architecture is not one of this space.
    """
    validate_architecture(architecture, space)
    logits = {key: value.detach().cpu() for key, value in architecture.items()}
    return Genotype(
        tuple(
            build_branch(logits, space, most_probable_path(logits, space.layers, scale))
            for scale in ends or BRANCH_SCALES[space.branches][0]
        )
    )
