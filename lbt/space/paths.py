"""Probabilities of the paths of branches through the grid of (layer, scale) nodes, as the betas define them.

Each node (layer, scale) chooses one predecessor, independently of every other node. It takes its feature from the finer
scale ("down") with probability beta0, or from its own scale ("keep") with beta1. The path of a branch that ends at a
scale is a walk backward from the last layer's node there. If the walks of two branches meet, they continue together. So
the edges of all branches form a tree, whose trunk is the common prefix of the derived network. The network runs an edge
once, however many branches use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import mul

import torch
from torch import Tensor

from lbt.space.architecture import SCALES, beta_row


@dataclass(frozen=True)
class Edges:
    """Probability that a derived network uses each edge of the grid.

    Attributes:
        keep: (layer, scale) -> probability that the cell there runs with stride 1; includes the last layer's cells.
        down: (layer, scale) -> probability that the cell there runs with stride 2, to the next coarser scale.
    """

    keep: Mapping[tuple[int, int], Tensor]
    down: Mapping[tuple[int, int], Tensor]


def edge_probabilities(beta: Mapping[int, Tensor], branch_scales: Sequence[int], layers: int) -> Edges:
    """Probability of each edge in the union of the branches that end at `branch_scales`.

    A dynamic programme backward over the layers. Its state is the set of scales that some branch visits, because the
    walks of two branches are independent only until they meet.

    Args:
        beta: probabilities of down and keep by scale: 16 -> (L - 2, 2), 32 -> (L - 3, 2); each row sums to 1. The first
            row belongs to the scale's second node, because its first node has one predecessor.
        branch_scales: distinct scales at which the branches end.
        layers: number of layers L.

    Raises:
        ValueError: there is no scale, a repeated one or an unknown one.
    """
    if not branch_scales or len(set(branch_scales)) != len(branch_scales) or not set(branch_scales) <= set(SCALES):
        raise ValueError(f"branches must end at distinct scales out of {SCALES}, not at {tuple(branch_scales)}")
    one = torch.ones_like(beta[16][0, 0])
    sets = {frozenset(branch_scales): one}
    keep = {(layers - 1, scale): one for scale in branch_scales}
    down: dict[tuple[int, int], Tensor] = {}
    for layer in range(layers - 1, 0, -1):
        before: dict[frozenset[int], Tensor] = {}
        for visited, probability in sets.items():
            for choice in product(*(_predecessors(beta, layer, scale) for scale in visited)):
                sources = frozenset(source for source, _ in choice)
                joint = reduce(mul, (chance for _, chance in choice), probability)
                before[sources] = before.get(sources, 0) + joint
        for scale in SCALES:
            visits = [probability for visited, probability in sets.items() if scale in visited]
            if visits:
                for source, chance in _predecessors(beta, layer, scale):
                    edges = keep if source == scale else down
                    edges[layer - 1, source] = reduce(torch.add, visits) * chance
        sets = before
    return Edges(keep, down)


def _predecessors(beta: Mapping[int, Tensor], layer: int, scale: int) -> list[tuple[int, Tensor | float]]:
    """(scale, probability) of the predecessors at `layer - 1` of the node (`layer`, `scale`)."""
    if scale == SCALES[0]:
        return [(scale, 1.0)]
    finer, row = scale // 2, beta_row(layer, scale)
    if row < 0:
        return [(finer, 1.0)]
    chances = beta[scale][row]
    return [(finer, chances[0]), (scale, chances[1])]
