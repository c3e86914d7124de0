"""Genotypes drawn at random: the control that a searched genotype has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import candidate_paths, find_pruned_skips, minimum_length, path_scales
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype, Stride
from lbt.space.architecture import (
    OperatorName,
    Scale,
    alpha_row,
    architecture_shapes,
    convolutions,
    gamma_row,
)

PlainCell = tuple[int, Scale, OperatorName, Stride, int]
"""The fields of a `Cell`. A tuple is built and compared ten times as fast."""

BLOCK = 256


def random_genotype(
    space: SpaceSettings, generator: torch.Generator, branch_scales: Sequence[int] | None = None
) -> Genotype:
    """Draw a genotype with uniform paths, operators and widths; skips are pruned as in a derived genotype.

    Branches share the draws of operators and widths at the cells that both pass, as derived branches do.

    Args:
        space: the search space.
        generator: a CPU generator.
        branch_scales: scales at which the branches end, coarsest first; by default one of the combinations of
            `space.branches`, with equal probabilities.
    """
    return to_genotype(next(draw_random_branches(space, generator, branch_scales, block=1)))


def to_genotype(branches: Sequence[Sequence[PlainCell]]) -> Genotype:
    """The genotype of branches from `draw_random_branches`."""
    return Genotype(tuple(Branch(cells[-1][1], tuple(Cell(*cell) for cell in cells)) for cells in branches))


def draw_random_branches(
    space: SpaceSettings, generator: torch.Generator, branch_scales: Sequence[int] | None = None, *, block: int = BLOCK
) -> Iterator[tuple[tuple[PlainCell, ...], ...]]:
    """An endless stream of draws of `random_genotype`, each as the cells of its branches.

    Args:
        space: the search space.
        generator: a CPU generator.
        branch_scales: as for `random_genotype`.
        block: number of draws for which random numbers are generated at once.
    """
    choices = BRANCH_SCALES[space.branches] if branch_scales is None else (tuple(branch_scales),)
    columns, paths = _columns(space), {}
    for scale in {scale for choice in choices for scale in choice}:
        paths[scale] = [_Path(space, layers, columns) for layers in candidate_paths(space.layers, scale)]
    branches = max(len(choice) for choice in choices)
    while True:
        numbers = torch.rand(block, 1 + branches + len(columns), generator=generator, dtype=torch.float64)
        for choice_number, *row in numbers.tolist():
            path_numbers, row = row[:branches], row[branches:]
            scales = choices[int(choice_number * len(choices))]
            chosen = (paths[s][int(u * len(paths[s]))] for s, u in zip(scales, path_numbers, strict=False))
            yield tuple(path.fill(row) for path in chosen)


def _columns(space: SpaceSettings) -> dict[tuple[str, int], int]:
    """Column of each row of alpha and gamma, such as (`alpha.16`, 0), among the random numbers of a draw."""
    shapes = architecture_shapes(space)
    rows = [(key, row) for key in shapes if not key.startswith("beta") for row in range(shapes[key][0])]
    return {name: column for column, name in enumerate(rows)}


class _Path:
    """One path through the space, to be filled with operators and widths."""

    def __init__(
        self, space: SpaceSettings, downsample_layers: Sequence[int], columns: Mapping[tuple[str, int], int]
    ) -> None:
        scales = path_scales(downsample_layers, space.layers)
        self.downsample_layers, self.layers = downsample_layers, space.layers
        self.minimum = minimum_length(space, scales[-1])
        self.widths, self.head = space.width_twelfths, space.head_twelfths
        names = convolutions(space)
        self.skips = len(names) if "skip" in space.operators else 0
        """Number of the first outcomes that are skips, each with another replacement."""
        self.outcomes = names[: self.skips] + tuple(name for name in names for _ in names)
        """The equally probable outcomes of one draw for a cell: its operator, or what would replace its skip."""
        self.places: list[tuple[int, Scale, Stride, int, int]] = []
        """Layer, scale and stride of each cell, and the columns of its operator and its width."""
        for layer, scale in enumerate(scales):
            operator, width = columns[f"alpha.{scale}", alpha_row(layer, scale)], 0
            if layer + 1 < space.layers:  # the last layer has no row of gamma: the last cell has the head's width
                after = scales[layer + 1]
                width = columns[f"gamma.{after}", gamma_row(layer + 1, after)]
            self.places.append((layer, scale, 2 if layer in downsample_layers else 1, operator, width))

    def fill(self, row: Sequence[float]) -> tuple[PlainCell, ...]:
        """The cells that `build_branch` builds from an architecture with independent, equally distributed logits.

        One uniform number decides each row of alpha. Its first digit (base O) is the operator. If this is the skip, the
        second digit (base O - 1) is the operator that may replace it. The rest is the rank of the skip's probability.
        """
        count, names, widths = len(self.outcomes), self.outcomes, self.widths
        skips = {
            layer: row[operator] * count % 1
            for layer, _, stride, operator, _ in self.places
            if stride == 1 and row[operator] * count < self.skips
        }
        pruned = find_pruned_skips(skips, self.downsample_layers, self.layers, self.minimum) if skips else ()
        cells = [
            (layer, scale, names[int(row[operator] * count)], stride, widths[int(row[width] * len(widths))])
            for layer, scale, stride, operator, width in self.places
            if layer not in pruned
        ]
        return (*cells[:-1], (*cells[-1][:-1], self.head))
