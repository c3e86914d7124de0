"""The window of frames per second that a user asks for: what can be reached, and how a search is steered into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise, product

import numpy as np

from lbt.config import SpaceSettings, Window
from lbt.errors import LbtError
from lbt.latency.costs import NetworkCosts
from lbt.latency.table import LatencyTable
from lbt.network.derivation_rule import candidate_paths, minimum_length
from lbt.network.genotype import BRANCH_SCALES
from lbt.network.random_genotype import OTHERS

Shape = tuple[int, ...]
"""Cells of stride 1 of a branch at 1/8 and, where the branch goes on, at 1/16 and at 1/32."""


def check_window(fps: Window, space: SpaceSettings, table: LatencyTable, setting: str) -> None:
    """Refuse a window that no network of the space can meet.

    Args:
        fps: least and most frames per second.
        space: the search space.
        table: measured milliseconds.
        setting: the setting that holds the window, for the message.

    Raises:
        LbtError: the window lies outside of `reachable_latency`, or the table lacks a part of the space.
    """
    fastest, slowest = (1000 / milliseconds for milliseconds in reachable_latency(space, table))
    if fps[0] > fastest or fps[1] < slowest:
        raise LbtError(
            f"{setting}: no architecture of the space runs at {fps[0]:g} to {fps[1]:g} frames per second; by the table "
            f"{table.path} they reach {slowest:.4g} to {fastest:.4g}. Change the window, the space or "
            "latency.input_size."
        )


def reachable_latency(space: SpaceSettings, table: LatencyTable) -> tuple[float, float]:
    """Least and greatest predicted milliseconds of the networks that can be derived with `space.branches`.

    No network lies outside, provided that a cell more never makes a branch faster. Networks reach both ends, provided
    that branches which have parted may choose freely. They may not where they meet again: there they read the same
    rows of alpha and gamma. This matters only if they would choose otherwise there, as near ties in a measured table
    can make them; the range is too wide by that little then.

    Raises:
        LbtError: the table lacks a part of the space.
    """
    costs, choices = NetworkCosts(space, table), BRANCH_SCALES[space.branches]
    fast, slow = _Chains(costs, 1), _Chains(costs, -1)
    least = min(fast.most_shared(ends) for ends in choices)
    return float(least), float(max(-slow.least_shared(ends) for ends in choices))


class _Chains:
    """Least sums of `sign` times the costs, by dynamic programming over the widths in a chain of cells.

    Vectors and matrices have an entry for each selectable width, then one for the stem's output, then one for the
    head's, which a branch's last cell has. A cell that does not exist costs infinitely much.
    """

    def __init__(self, costs: NetworkCosts, sign: int) -> None:
        self.space, self.sign, self.fixed = costs.space, sign, costs.fixed
        self.stem, self.head = len(self.space.width_twelfths), len(self.space.width_twelfths) + 1
        widths = (*self.space.width_twelfths, self.space.stem_twelfths, self.space.head_twelfths)
        nothing = sign * np.inf

        def matrix(stride: int, scale: int) -> np.ndarray:
            best = [
                [min(sign * costs.cells.get((name, stride, scale, *pair), nothing) for name in OTHERS) for pair in row]
                for row in ([(before, after) for after in widths] for before in widths)
            ]
            return self._only_once(np.array(best), stride, scale)

        self.keep = {scale: matrix(1, scale) for scale in (8, 16, 32)}
        self.down = {scale: matrix(2, scale) for scale in (8, 16)}
        self.refine = {s: np.array([[sign * costs.refinements.get((s, w), nothing)] for w in widths]) for s in (8, 16)}
        self.tail, self.trunk = cache(self._tail), cache(self._trunk)

    def _only_once(self, costs: np.ndarray, stride: int, scale: int) -> np.ndarray:
        """Nothing leads into the stem or on from the head, whatever equal width is selectable besides."""
        costs[:, self.stem] = costs[self.head] = np.inf
        if stride == 2:
            costs[:, self.head] = np.inf
        if scale != 8:
            costs[self.stem] = np.inf
        return costs

    def _tail(self, scale: int, shape: Shape) -> np.ndarray:
        """Cost of the rest of a branch, which has `shape` from 1/`scale` on, by the width that it starts from."""
        if shape[0]:
            step, rest = self.keep[scale], self.tail(scale, (shape[0] - 1, *shape[1:]))
        elif len(shape) > 1:
            step, rest = self.down[scale] + self.refine[scale], self.tail(2 * scale, shape[1:])
        else:
            return self._at(self.head)
        return (step + rest).min(axis=1)

    def _trunk(self, shape: Shape) -> np.ndarray:
        """Cost of cells that two branches share, by the width at their end; each branch refines by itself."""
        scale = 8 * 2 ** (len(shape) - 1)
        if shape[-1]:
            step, before = self.keep[scale], self.trunk((*shape[:-1], shape[-1] - 1))
        elif len(shape) > 1:
            step, before = self.down[scale // 2] + 2 * self.refine[scale // 2], self.trunk(shape[:-1])
        else:
            return self._at(self.stem)
        return (before[:, None] + step).min(axis=0)

    def _at(self, place: int) -> np.ndarray:
        vector = np.full(self.head + 1, np.inf)
        vector[place] = 0
        return vector

    def _alone(self, shapes: Iterable[Shape]) -> float:
        return min((self.tail(8, shape)[self.stem] for shape in shapes), default=np.inf)

    def _together(self, shared: Shape, *branches: Iterable[Shape]) -> float:
        """Least cost of two branches of any of these shapes that share exactly the cells of `shared`."""
        total = self.trunk(shared)
        for shapes in branches:
            rests = {rest for shape in shapes if (rest := _rest(shape, shared)) is not None}
            if not rests:
                return np.inf
            total = total + np.min([self.tail(8 * 2 ** (len(shared) - 1), rest) for rest in rests], axis=0)
        return total.min()

    def most_shared(self, ends: Sequence[int]) -> float:
        """Least cost of networks that end at `ends`, if branches share any cells that suit them."""
        shapes = [_shapes(self.space, end) for end in ends]
        if len(ends) == 1:
            best = self._alone(shapes[0])
        else:
            shared = {prefix for shape in shapes[1] for prefix in _prefixes(shape)}
            best = min(self._together(prefix, *shapes) for prefix in shared)
        return self.sign * self.fixed[len(ends)] + best

    def least_shared(self, ends: Sequence[int]) -> float:
        """Least cost of networks that end at `ends`, if branches share no cell that they may keep for themselves.

        They share the cells before their paths part. A layer before that may be pruned in one branch only if the other
        is as short as may be; they share nothing after it then.
        """
        if len(ends) == 1:
            best = self._alone(_shapes(self.space, ends[0]))
        else:
            layers = self.space.layers
            paths = product(*(candidate_paths(layers, end) for end in ends))
            whole = ([_stretches(downs, layers) for downs in pair] for pair in paths)
            best = min(self._together(_common(*pair), *([shape] for shape in pair)) for pair in whole)
            for short, other in (ends, ends[::-1]):
                shortest = self._alone(_shortest(self.space, short))
                best = min(best, shortest + self._alone(_shapes(self.space, other, first_pruned=True)))
        return self.sign * self.fixed[len(ends)] + best


def _stretches(downs: Sequence[int], layers: int) -> Shape:
    """The shape of a path of which nothing is pruned."""
    return tuple(after - before - 1 for before, after in pairwise((-1, *downs, layers)))


def _shapes(space: SpaceSettings, end: int, *, first_pruned: bool = False) -> set[Shape]:
    """All shapes of a branch; `first_pruned`: those with fewer cells before the first down than layers."""
    found, least = set(), minimum_length(space, end)
    for downs in candidate_paths(space.layers, end):
        first, *others = _stretches(downs, space.layers)
        counts = (range(first + (not first_pruned)), *(range(min(1, length), length + 1) for length in others))
        found |= {shape for shape in product(*counts) if sum(shape) + len(downs) >= least}
    return found


def _shortest(space: SpaceSettings, end: int) -> set[Shape]:
    """Shapes of a branch of which no more may be pruned, so that a skip stays which the other branch may do without.

    The last skip of a stretch after a down stays too, but counts among those that may be pruned.
    """
    least = minimum_length(space, end)
    return {s for s in _shapes(space, end) if s[0] and sum(s) + len(s) - 1 - least <= s[1:].count(1)}


def _common(coarse: Shape, fine: Shape) -> Shape:
    """What two whole paths share: the cells before one of them goes down and the other does not."""
    if len(fine) > 1 and coarse[0] == fine[0]:
        return coarse[:2]
    return (min(coarse[0], fine[0]),) if len(fine) > 1 else coarse[:1]


def _prefixes(shape: Shape) -> Iterator[Shape]:
    for place, count in enumerate(shape):
        yield from ((*shape[:place], kept) for kept in range(count + 1))


def _rest(shape: Shape, shared: Shape) -> Shape | None:
    """What remains of a branch after the cells that it shares; None if it does not begin with them."""
    last = len(shared) - 1
    if len(shape) <= last or shape[:last] != shared[:last] or shape[last] < shared[last]:
        return None
    return (shape[last] - shared[last], *shape[last + 1 :])
