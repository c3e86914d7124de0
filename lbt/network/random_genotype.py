"""Genotypes drawn at random: the control that any searched genotype has to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import torch

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import candidate_paths, find_pruned_skips, minimum_length, path_scales
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype
from lbt.space.architecture import OPERATORS, alpha_row, architecture_shapes, gamma_row

PlainCell = tuple[int, int, str, int, int]
"""The fields of a `Cell`, made and compared ten times as fast."""

BLOCK = 256
OTHERS = tuple(name for name in OPERATORS if name != "skip")
RANKS = len(OPERATORS) * len(OTHERS)
DIGITS = OTHERS + tuple(name for name in OTHERS for _ in OTHERS)


def random_genotype(space: SpaceSettings, generator: torch.Generator, ends: tuple[int, ...] | None = None) -> Genotype:
    """A genotype whose paths, operators and widths are drawn uniformly; skips are pruned as in a derived one.

    The branches share the draws of operators and widths at the cells that both pass, as derived branches do.

    Args:
        space: the search space.
        generator: a CPU generator.
        ends: scales at which the branches end, coarsest first; by default one of the choices of `space.branches`,
            each as often.
    """
    return to_genotype(next(random_branches(space, generator, ends, block=1)))


def to_genotype(branches: Sequence[Sequence[PlainCell]]) -> Genotype:
    """The genotype of branches from `random_branches`."""
    return Genotype(tuple(Branch(cells[-1][1], tuple(Cell(*cell) for cell in cells)) for cells in branches))


def random_branches(
    space: SpaceSettings, generator: torch.Generator, ends: tuple[int, ...] | None = None, *, block: int = BLOCK
) -> Iterator[tuple[tuple[PlainCell, ...], ...]]:
    """An endless stream of draws as `random_genotype` makes them: the cells of each branch.

    Args:
        space: the search space.
        generator: a CPU generator.
        ends: as for `random_genotype`.
        block: draws for which random numbers are made at once.
    """
    choices = BRANCH_SCALES[space.branches] if ends is None else (ends,)
    columns, routes = _columns(space), {}
    for end in {end for choice in choices for end in choice}:
        routes[end] = [_Route(space, downs, columns) for downs in candidate_paths(space.layers, end)]
    paths = max(len(choice) for choice in choices)
    while True:
        numbers = torch.rand(block, 1 + paths + len(columns), generator=generator, dtype=torch.float64)
        for chosen, *row in numbers.tolist():
            drawn, row = row[:paths], row[paths:]
            ends = choices[int(chosen * len(choices))]
            picks = (routes[end][int(u * len(routes[end]))] for end, u in zip(ends, drawn, strict=False))
            yield tuple(route.cells(row) for route in picks)


def _columns(space: SpaceSettings) -> dict[tuple[str, int], int]:
    """Place of each row of alpha and gamma, such as (`alpha.16`, 0), among the numbers of a draw."""
    shapes = architecture_shapes(space)
    rows = [(key, row) for key in shapes if not key.startswith("beta") for row in range(shapes[key][0])]
    return {name: column for column, name in enumerate(rows)}


class _Route:
    """One path through the space, ready to be filled with operators and widths."""

    def __init__(self, space: SpaceSettings, downs: Sequence[int], columns: Mapping[tuple[str, int], int]) -> None:
        scales = [*path_scales(downs, space.layers), 0]
        self.downs, self.layers, self.minimum = downs, space.layers, minimum_length(space, scales[-2])
        self.widths, self.head = space.width_twelfths, space.head_twelfths
        self.places = []
        for layer, (scale, after) in enumerate(pairwise(scales)):
            operator = columns[f"alpha.{scale}", alpha_row(layer, scale)]
            # The last layer has no row of gamma; whichever cell comes last gets the head's width.
            width = columns[f"gamma.{after}", gamma_row(layer + 1, after)] if after else 0
            self.places.append((layer, scale, 2 if layer in downs else 1, operator, width))

    def cells(self, row: Sequence[float]) -> tuple[PlainCell, ...]:
        """The cells that `build_branch` makes of an architecture with independent equal logits.

        Each row of alpha has one uniform number: its first digit (base 5) is the operator; for a skip, the second (base
        4) is the operator that it gives way to, and the rest is the rank of its probability.
        """
        count = len(self.widths)
        skips = {
            layer: row[operator] * RANKS % 1
            for layer, _, stride, operator, _ in self.places
            if stride == 1 and row[operator] * RANKS < len(OTHERS)
        }
        pruned = find_pruned_skips(skips, self.downs, self.layers, self.minimum) if skips else ()
        made = [
            (layer, scale, DIGITS[int(row[operator] * RANKS)], stride, self.widths[int(row[width] * count)])
            for layer, scale, stride, operator, width in self.places
            if layer not in pruned
        ]
        return (*made[:-1], (*made[-1][:-1], self.head))
