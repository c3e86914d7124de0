"""From an architecture's logits to a genotype: FasterSeg's released rule (train/model_seg.py) as pure functions.

The release reads the row of beta of a path to 1/16 one layer late. The rule `released` does the same; `consistent`
reads the row with which the supernet weights that path.

A path is the list of its downsampling layers: the layers whose cell has stride 2, none for a path that stays at 1/8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Literal

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype
from lbt.space.architecture import (
    OPERATORS,
    SCALES,
    OperatorName,
    Scale,
    alpha_row,
    beta_row,
    gamma_row,
    probabilities,
    validate_architecture,
)

Rule = Literal["released", "consistent"]
"""Which row of beta scores a path to 1/16; paths to 1/32 have the same score by both."""


def candidate_paths(layers: int, scale: int) -> list[tuple[int, ...]]:
    """The paths that end at 1/`scale`, each as its downsampling layers.

    As in the release, a path stays at 1/8 for at least two layers after the stem, and at 1/16 for at least three layers
    before it continues to 1/32. It stays at its last scale for at least two layers (1/32) or three (1/16). If the space
    has too few layers for that, the candidates are all paths with a cell at each scale and a row of beta for each down.
    """
    if scale == 8:
        return [()]
    if scale == 16:
        return [(layer,) for layer in range(1, max(layers - 3, 2))]
    return _pairs(first=2, gap=3, last=layers - 3) or _pairs(first=1, gap=1, last=layers - 2)


def _pairs(first: int, gap: int, last: int) -> list[tuple[int, ...]]:
    return [(a, b) for b in range(first + gap, last + 1) for a in range(first, b - gap + 1)]


def path_probability(weights: Mapping[str, Tensor], downsample_layers: Sequence[int], rule: Rule) -> float:
    """The score of a path: the product of the probabilities of its downsampling layers, 1 if it has none.

    A cell of stride 2 at layer d computes a feature that enters layer d + 1. Its probability is that of the finer
    predecessor of this feature. For a path to 1/16 the rule `released` reads the row of layer d + 2 instead, as
    `betas2path` in the release does.

    Args:
        weights: `lbt.space.architecture.probabilities` of the architecture.
        downsample_layers: the path, from `candidate_paths`.
        rule: which row scores a path to 1/16.
    """
    offset = 2 if rule == "released" and len(downsample_layers) == 1 else 1
    scales = zip(downsample_layers, (16, 32), strict=False)
    return prod(float(weights[f"beta.{scale}"][beta_row(layer + offset, scale), 0]) for layer, scale in scales)


def most_probable_path(architecture: Mapping[str, Tensor], layers: int, scale: int, rule: Rule) -> tuple[int, ...]:
    """The candidate with the highest `path_probability`; the first of equally probable ones."""
    weights, candidates = probabilities(architecture), candidate_paths(layers, scale)
    if len(candidates) == 1:  # in a space of three layers, the release's row does not exist
        return candidates[0]
    return max(candidates, key=lambda path: path_probability(weights, path, rule))


def path_scales(downsample_layers: Sequence[int], layers: int) -> list[Scale]:
    """Scale of the input of the cell at each layer of a path."""
    return [SCALES[sum(down < layer for down in downsample_layers)] for layer in range(layers)]


def best_convolution(row: Tensor, operators: Sequence[OperatorName]) -> OperatorName:
    """The most probable of `operators` except the skip, from a row of alpha (O,)."""
    indices = [index for index, name in enumerate(operators) if name != "skip"]
    return operators[indices[int(row[indices].argmax())]]


def choose_operators(
    rows: Sequence[Tensor],
    downsample_layers: Sequence[int],
    minimum: int,
    operators: Sequence[OperatorName] = OPERATORS,
) -> list[OperatorName | None]:
    """Operator of each layer of a path; None if the layer's skip is pruned.

    The most probable operator is chosen. If this is a skip that is not pruned (`find_pruned_skips`), the most probable
    of the other operators replaces it, so no skip remains.

    Args:
        rows: the row of alpha of each layer, (O,).
        downsample_layers: layers whose cell has stride 2.
        minimum: least number of layers that remain.
        operators: the O operators.
    """
    skips = {
        layer: float(row.softmax(-1).max())
        for layer, row in enumerate(rows)
        if operators[int(row.argmax())] == "skip" and layer not in downsample_layers
    }
    pruned = find_pruned_skips(skips, downsample_layers, len(rows), minimum)
    return [None if layer in pruned else best_convolution(row, operators) for layer, row in enumerate(rows)]


def find_pruned_skips(
    skips: Mapping[int, float], downsample_layers: Sequence[int], layers: int, minimum: int
) -> set[int]:
    """Layers of a path whose skip is pruned.

    Skips of stride 1 are pruned, the most probable first, while more than `minimum` layers remain. At least one cell
    remains between two downs, and after the last one: if all cells there are skips, the least probable skip is not
    pruned, even if more than `minimum` layers remain.

    Args:
        skips: probability of the skip at each layer of stride 1 whose operator is a skip.
        downsample_layers: layers whose cell has stride 2.
        layers: number of layers of the path.
        minimum: least number of layers that remain.
    """
    needed = set()
    for start, end in pairwise([*downsample_layers, layers]):
        stretch = range(start + 1, end)
        if stretch and all(layer in skips for layer in stretch):
            needed.add(min(reversed(stretch), key=skips.__getitem__))
    return set(sorted(skips, key=lambda layer: (-skips[layer], layer))[: max(layers - minimum, 0)]) - needed


def minimum_length(space: SpaceSettings, scale: int) -> int:
    """Least number of cells of a branch that ends at 1/`scale`: the setting, or a third of L plus 2 per halving.

    In a space without skips it is L, because only skips are pruned.
    """
    if "skip" not in space.operators:
        return space.layers
    halvings = {8: 0, 16: 1, 32: 2}[scale]
    length = space.min_length if space.min_length is not None else round(space.layers / 3) + 2 * halvings
    return min(length, space.layers)


def build_branch(architecture: Mapping[str, Tensor], space: SpaceSettings, downsample_layers: Sequence[int]) -> Branch:
    """The branch along one path: the operators and widths with the largest logits, without the pruned skips.

    Args:
        architecture: alpha and gamma are read.
        space: the search space.
        downsample_layers: the path, from `candidate_paths`.
    """
    scales = path_scales(downsample_layers, space.layers)
    rows = [architecture[f"alpha.{scale}"][alpha_row(layer, scale)] for layer, scale in enumerate(scales)]
    operators = choose_operators(rows, downsample_layers, minimum_length(space, scales[-1]), space.operators)
    kept = {layer: operator for layer, operator in enumerate(operators) if operator is not None}
    last, cells = max(kept), []
    for layer, operator in kept.items():
        if layer == last:
            width = space.head_twelfths
        else:
            scale = scales[layer + 1]
            width = space.width_twelfths[int(architecture[f"gamma.{scale}"][gamma_row(layer + 1, scale)].argmax())]
        cells.append(Cell(layer, scales[layer], operator, 2 if layer in downsample_layers else 1, width))
    return Branch(scales[-1], tuple(cells))


def derive_genotype(
    architecture: Mapping[str, Tensor],
    space: SpaceSettings,
    branch_scales: Sequence[int] | None = None,
    *,
    rule: Rule = "consistent",
) -> Genotype:
    """The genotype of an architecture by the released rule, with the given reading of beta.

    Args:
        architecture: the logits.
        space: the search space.
        branch_scales: scales at which the branches end, coarsest first. By default those of `space.branches`, and
            (32, 16) for `best`, which the release decides by scores on images (`lbt.network.candidates`).
        rule: which row of beta scores a path to 1/16.

    Raises:
        LbtError: the architecture does not belong to this space.
    """
    validate_architecture(architecture, space)
    logits = {key: value.detach().cpu() for key, value in architecture.items()}
    scales = branch_scales or BRANCH_SCALES[space.branches][0]
    return Genotype(
        tuple(build_branch(logits, space, most_probable_path(logits, space.layers, scale, rule)) for scale in scales)
    )
