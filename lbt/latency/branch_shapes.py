"""Shapes of branches: how many cells of stride 1 a branch has at each scale after pruning, whatever their operators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import candidate_paths, minimum_length

Shape = tuple[int, ...]
"""Number of cells of stride 1 at 1/8 and, if the branch continues there, at 1/16 and at 1/32."""


def count_unpruned_cells(downsample_layers: Sequence[int], layers: int) -> Shape:
    """The shape of a path if no cell is pruned."""
    return tuple(after - before - 1 for before, after in pairwise((-1, *downsample_layers, layers)))


def list_shapes(space: SpaceSettings, branch_scale: int, *, first_pruned: bool = False) -> set[Shape]:
    """All shapes of branches that end at 1/`branch_scale`.

    Args:
        space: the search space.
        branch_scale: scale at which the branch ends.
        first_pruned: only the shapes for which a cell before the first down was pruned.
    """
    shapes, least = set(), minimum_length(space, branch_scale)
    for path in candidate_paths(space.layers, branch_scale):
        first, *others = count_unpruned_cells(path, space.layers)
        counts = (range(first + (not first_pruned)), *(range(min(1, length), length + 1) for length in others))
        shapes |= {shape for shape in product(*counts) if sum(shape) + len(path) >= least}
    return shapes


def list_shortest_shapes(space: SpaceSettings, branch_scale: int) -> set[Shape]:
    """Shapes of branches that end at 1/`branch_scale`, have a cell before the first down and cannot be pruned further.

    Pruning leaves one cell in each stretch after a down, but counts it as pruned.
    """
    least = minimum_length(space, branch_scale)
    shapes = list_shapes(space, branch_scale)
    return {shape for shape in shapes if shape[0] and sum(shape) + len(shape) - 1 - least <= shape[1:].count(1)}


def find_common_prefix(coarse: Shape, fine: Shape) -> Shape:
    """The cells that two unpruned paths share: those before one path goes down and the other does not."""
    if len(fine) > 1 and coarse[0] == fine[0]:
        return coarse[:2]
    return (min(coarse[0], fine[0]),) if len(fine) > 1 else coarse[:1]


def list_prefixes(shape: Shape) -> Iterator[Shape]:
    """Every number of leading cells of a branch, as the shape of these cells."""
    for position, count in enumerate(shape):
        yield from ((*shape[:position], kept) for kept in range(count + 1))


def remove_prefix(shape: Shape, prefix: Shape) -> Shape | None:
    """The shape of a branch after the cells of `prefix`; None if it does not begin with them."""
    last = len(prefix) - 1
    if len(shape) <= last or shape[:last] != prefix[:last] or shape[last] < prefix[last]:
        return None
    return (shape[last] - prefix[last], *shape[last + 1 :])
