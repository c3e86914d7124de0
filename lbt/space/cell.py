"""A cell of the supernet: all operators of its edges on one input, with shared work done once.

Per cell there is one halving of the input for all zoomed operators, one convolution for the first layers that read the
same feature (`conv` and `conv_2x` of an edge; `zoom` and `zoom_2x` of both edges) and one BatchNorm behind it, and one
doubling of the sum of the zoomed operators. The result is the weighted sum of the operators of `lbt.space.operators`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.space.architecture import OPERATORS
from lbt.space.batch_norm import StatisticsUpdate
from lbt.space.operators import ConvBnRelu, ConvChain, FactorizedReduce, build_operator
from lbt.space.rectifier import rectified
from lbt.space.slimmable import joint_batch_norm, joint_conv2d

STRIDES = {"keep": 1, "down": 2}


@dataclass(frozen=True)
class EdgeRun:
    """One edge to be evaluated.

    Attributes:
        edge: `keep` or `down`.
        weights: five 0-d tensors, not negative, in the order of `OPERATORS`.
        values: five numbers on the host that are 0 where the weight is, so that no operator waits for the device.
        width: index into the output's channels.
    """

    edge: str
    weights: Sequence[Tensor]
    values: Sequence[float]
    width: int

    def active(self, *names: str) -> list[tuple[str, Tensor]]:
        """Those of the named operators whose weight is not 0, with their weight."""
        places = ((name, OPERATORS.index(name)) for name in names)
        return [(name, self.weights[i]) for name, i in places if self.values[i] != 0]


@dataclass(frozen=True)
class _Chain:
    """A chain of convolutions to be evaluated at a width and multiplied by a weight."""

    layers: ConvChain
    weight: Tensor
    width: int


class Cell(nn.ModuleDict):
    """The edges of a cell by name, each a `ModuleDict` of operators by name.

    Args:
        in_channels: channels that the input may have.
        out_channels: `keep` and, where the cell has it, `down` -> channels that the output may have, one per width.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: dict[str, Sequence[int]]):
        super().__init__(
            {
                edge: nn.ModuleDict({name: build_operator(name, in_channels, out, STRIDES[edge]) for name in OPERATORS})
                for edge, out in out_channels.items()
            }
        )

    def forward(self, x: Tensor, runs: Sequence[EdgeRun], updates: list[StatisticsUpdate]) -> list[Tensor]:
        """Weighted sums of the operators; an operator of weight 0 is not evaluated.

        Args:
            x: (B, c, H, W); H and W even if `down` is among the runs.
            runs: edges to evaluate.
            updates: in training, the changes of running statistics are added to it, for
                `lbt.space.slimmable.update_statistics`.

        Returns:
            One (B, channels, H / stride, W / stride) for each run.
        """
        zoomed = self._zoomed(x, runs, updates)
        results = []
        for run, small in zip(runs, zoomed, strict=True):
            operators, stride = self[run.edge], STRIDES[run.edge]
            terms = [_skip(operators["skip"], x, weight, run.width, updates) for _, weight in run.active("skip")]
            chains = [_Chain(operators[name], weight, run.width) for name, weight in run.active("conv", "conv_2x")]
            terms += _evaluate(chains, x, stride, updates)
            if small:
                halved = reduce(torch.add, small)
                terms.append(halved if stride == 2 else _doubled(halved, x))
            results.append(reduce(torch.add, terms))
        return results

    def _zoomed(self, x: Tensor, runs: Sequence[EdgeRun], updates: list[StatisticsUpdate]) -> list[list[Tensor]]:
        """The weighted zoomed operators of each run, at half the resolution of `x`."""
        chains = [
            [_Chain(self[run.edge][name].convs, weight, run.width) for name, weight in run.active("zoom", "zoom_2x")]
            for run in runs
        ]
        if not any(chains):
            return chains
        terms = iter(_evaluate([c for each in chains for c in each], F.avg_pool2d(x, 2, ceil_mode=True), 1, updates))
        return [[next(terms) for _ in each] for each in chains]


def _evaluate(chains: Sequence[_Chain], x: Tensor, stride: int, updates: list[StatisticsUpdate]) -> list[Tensor]:
    """Weighted chains on one input; their first layers run as one."""
    if not chains:
        return []
    firsts = [(chain.layers[0], chain.width) for chain in chains]
    features = joint_conv2d(x, [(layer.conv, width) for layer, width in firsts], stride)
    # A weight is not negative, so it passes the ReLU and is cheapest as a factor of the last BatchNorm's own weights.
    weights = [chain.weight if len(chain.layers) == 1 else None for chain in chains]
    parts = joint_batch_norm(features, [(layer.bn, width) for layer, width in firsts], weights, updates)
    results = []
    for chain, part in zip(chains, parts, strict=True):
        for layer in list(chain.layers)[1:]:
            part = layer.conv(F.relu(part), chain.width)
            weight = chain.weight if layer is chain.layers[-1] else None
            (part,) = joint_batch_norm(part, [(layer.bn, chain.width)], [weight], updates)
        results.append(rectified(part))
    return results


def _skip(
    operator: ConvBnRelu | FactorizedReduce, x: Tensor, weight: Tensor, width: int, updates: list[StatisticsUpdate]
) -> Tensor:
    feature = operator.convolved(x, width)
    (part,) = joint_batch_norm(feature, [(operator.bn, width)], [weight], updates)
    return rectified(part)


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
