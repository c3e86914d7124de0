"""Probabilities of the paths through the (layer, scale) grid that the betas stand for.

Each node (layer, scale) takes its feature from one predecessor: from the finer scale ("down") with probability beta0,
or from the same scale ("keep") with beta1, independently of every other node. A branch that ends at a scale is the walk
backward from the last layer's node; two branches whose walks meet go on together, so the edges of all branches form a
tree whose trunk is the common prefix of the derived network. An edge is executed once, however many branches use it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from lbt.space.architecture import SCALES, beta_row


@dataclass(frozen=True)
class Edges:
    """Probability that a derived network uses each edge of the grid.

    Attributes:
        keep: (layer, scale) to the probability that the cell there runs with stride 1; the last layer's cells included.
        down: (layer, scale) to the probability that the cell there runs with stride 2, to the next coarser scale.
    """

    keep: Mapping[tuple[int, int], Tensor]
    down: Mapping[tuple[int, int], Tensor]


def edge_probabilities(beta: Mapping[int, Tensor], ends: Sequence[int], layers: int) -> Edges:
    """Probability of each edge in the union of the branches that end at `ends`.

    A dynamic programme backward over the layers; its state is the set of scales that some branch visits, because the
    walks of two branches are independent only until they meet.

    Args:
        beta: scale 16: (L - 2, 2), scale 32: (L - 3, 2) probabilities (rows sum to 1) of down and keep; the first row
            is the scale's second node, as its first node has one predecessor.
        ends: distinct scales at which the branches end.
        layers: number of layers L.

    Raises:
        ValueError: no end, a repeated end or an unknown one.
    """
    if not ends or len(set(ends)) != len(ends) or not set(ends) <= set(SCALES):
        raise ValueError(f"ends must be distinct scales out of {SCALES}, found {tuple(ends)}")
    one = torch.ones_like(beta[16][0, 0])
    sets = {frozenset(ends): one}
    keep = {(layers - 1, scale): one for scale in ends}
    down = {}
    for layer in range(layers - 1, 0, -1):
        before: dict[frozenset[int], Tensor] = {}
        for visited, probability in sets.items():
            for choice in product(*(_predecessors(beta, layer, scale) for scale in visited)):
                sources = frozenset(source for source, _ in choice)
                joint = math.prod((chance for _, chance in choice), start=probability)
                before[sources] = before.get(sources, 0) + joint
        for scale in SCALES:
            holding = [probability for visited, probability in sets.items() if scale in visited]
            if holding:
                for source, chance in _predecessors(beta, layer, scale):
                    edges = keep if source == scale else down
                    edges[layer - 1, source] = sum(holding) * chance
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
