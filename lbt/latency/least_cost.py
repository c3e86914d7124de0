"""The least cost of the networks of a space, exactly, by dynamic programming over the widths in a chain of cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import product

import numpy as np

from lbt.latency.branch_shapes import (
    Shape,
    count_unpruned_cells,
    find_common_prefix,
    list_prefixes,
    list_shapes,
    list_shortest_shapes,
    remove_prefix,
)
from lbt.latency.costs import NetworkCosts
from lbt.network.derivation_rule import candidate_paths
from lbt.space.architecture import convolutions


class LeastCost:
    """Least sums of `sign` times the costs over networks of a space; -1 gives the greatest cost, negated.

    Vectors have an entry for each selectable width of a feature, then one for the stem's output, then one for the
    output of a branch's last cell. Matrices have these entries for the input of a cell (rows) and for its output
    (columns). A cell that does not exist has an infinite cost.

    Args:
        costs: milliseconds of all parts.
        sign: 1 or -1.
    """

    def __init__(self, costs: NetworkCosts, sign: int) -> None:
        self.space, self.sign, self.fixed = costs.space, sign, costs.fixed
        self.stem, self.head = len(self.space.width_twelfths), len(self.space.width_twelfths) + 1
        widths = (*self.space.width_twelfths, self.space.stem_twelfths, self.space.head_twelfths)
        nonexistent = sign * np.inf

        def cheapest_cells(stride: int, scale: int) -> np.ndarray:
            """(widths in, widths out) least cost of a cell."""
            cost = np.empty((len(widths), len(widths)))
            for row, before in enumerate(widths):
                for column, after in enumerate(widths):
                    keys = ((name, stride, scale, before, after) for name in convolutions(self.space))
                    cost[row, column] = min(sign * costs.cells.get(key, nonexistent) for key in keys)
            # Entries with equal widths still differ: no cell leads to the stem's output, and none follows the last one.
            cost[:, self.stem] = cost[self.head] = np.inf
            if stride == 2:
                cost[:, self.head] = np.inf
            if scale != 8:
                cost[self.stem] = np.inf
            return cost

        self.keep = {scale: cheapest_cells(1, scale) for scale in (8, 16, 32)}
        self.down = {scale: cheapest_cells(2, scale) for scale in (8, 16)}
        self.refine = {
            scale: np.array([[sign * costs.refinements.get((scale, width), nonexistent)] for width in widths])
            for scale in (8, 16)
        }
        self.rest_cost, self.prefix_cost = cache(self._rest_cost), cache(self._prefix_cost)

    def _rest_cost(self, scale: int, shape: Shape) -> np.ndarray:
        """Cost of the rest of a branch, which has `shape` from 1/`scale` on, by the width at its beginning."""
        if shape[0]:
            step, rest = self.keep[scale], self.rest_cost(scale, (shape[0] - 1, *shape[1:]))
        elif len(shape) > 1:
            step, rest = self.down[scale] + self.refine[scale], self.rest_cost(2 * scale, shape[1:])
        else:
            return self._only(self.head)
        return (step + rest).min(axis=1)

    def _prefix_cost(self, shape: Shape) -> np.ndarray:
        """Cost of the cells that two branches share, by the width at their end; each branch has its own refinements."""
        scale = 8 * 2 ** (len(shape) - 1)
        if shape[-1]:
            step, before = self.keep[scale], self.prefix_cost((*shape[:-1], shape[-1] - 1))
        elif len(shape) > 1:
            step, before = self.down[scale // 2] + 2 * self.refine[scale // 2], self.prefix_cost(shape[:-1])
        else:
            return self._only(self.stem)
        return (before[:, None] + step).min(axis=0)

    def _only(self, entry: int) -> np.ndarray:
        """A vector that is 0 at one entry and infinite elsewhere."""
        vector = np.full(self.head + 1, np.inf)
        vector[entry] = 0
        return vector

    def _one_branch(self, shapes: Iterable[Shape]) -> float:
        """Least cost of a branch with one of these shapes."""
        return min((self.rest_cost(8, shape)[self.stem] for shape in shapes), default=np.inf)

    def _two_branches(self, prefix: Shape, *branches: Iterable[Shape]) -> float:
        """Least cost of two branches with any of these shapes that share exactly the cells of `prefix`."""
        total = self.prefix_cost(prefix)
        for shapes in branches:
            rests = {rest for shape in shapes if (rest := remove_prefix(shape, prefix)) is not None}
            if not rests:
                return np.inf
            total = total + np.min([self.rest_cost(8 * 2 ** (len(prefix) - 1), rest) for rest in rests], axis=0)
        return total.min()

    def with_most_sharing(self, branch_scales: Sequence[int]) -> float:
        """Least cost of networks whose branches share as many leading cells as is cheapest."""
        shapes = [list_shapes(self.space, scale) for scale in branch_scales]
        if len(branch_scales) == 1:
            best = self._one_branch(shapes[0])
        else:
            prefixes = {prefix for shape in shapes[1] for prefix in list_prefixes(shape)}
            best = min(self._two_branches(prefix, *shapes) for prefix in prefixes)
        return self.sign * self.fixed[len(branch_scales)] + best

    def with_least_sharing(self, branch_scales: Sequence[int]) -> float:
        """Least cost of networks whose branches share no cell that each can have by itself.

        Branches share the cells before their paths part. Pruning ends this prefix early if one branch loses a cell that
        the other branch keeps, because the other one cannot be pruned further.
        """
        if len(branch_scales) == 1:
            best = self._one_branch(list_shapes(self.space, branch_scales[0]))
        else:
            layers = self.space.layers
            paths = product(*(candidate_paths(layers, scale) for scale in branch_scales))
            pairs = ([count_unpruned_cells(path, layers) for path in pair] for pair in paths)
            best = min(self._two_branches(find_common_prefix(*pair), *([shape] for shape in pair)) for pair in pairs)
            for short, other in (branch_scales, branch_scales[::-1]):
                shortest = self._one_branch(list_shortest_shapes(self.space, short))
                best = min(best, shortest + self._one_branch(list_shapes(self.space, other, first_pruned=True)))
        return self.sign * self.fixed[len(branch_scales)] + best
