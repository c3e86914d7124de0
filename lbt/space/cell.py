"""A cell of the supernet: all operators of its edges on one input, with shared work done once.

Per cell there is one halving of the input for all zoomed operators, one convolution for the first layers that read the
same feature (`conv` and `conv_2x` of an edge; `zoom` and `zoom_2x` of both edges) and one BatchNorm behind it, and one
doubling of the sum of the zoomed operators. The result is the weighted sum of the operators of `lbt.space.operators`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.space.architecture import OPERATORS
from lbt.space.batch_norm import StatisticsUpdate
from lbt.space.operators import ConvBnRelu, ConvChain, FactorizedReduce, Zoom, build_operator
from lbt.space.slimmable import ScaledNorm, SlimmableBatchNorm2d, joint_batch_norm, joint_conv2d, scale_norms

STRIDES = {"keep": 1, "down": 2}


@dataclass(frozen=True)
class EdgeRun:
    """One edge to be evaluated.

    Attributes:
        edge: `keep` or `down`.
        weights: (5,), not negative, in the order of `OPERATORS`.
        values: five numbers on the host that are 0 where the weight is, so that no operator waits for the device.
        width: index into the output's channels.
    """

    edge: str
    weights: Tensor
    values: Sequence[float]
    width: int

    def active(self) -> list[int]:
        """Places in `OPERATORS` of those whose weight is not 0."""
        return [place for place, value in enumerate(self.values) if value != 0]


@dataclass(frozen=True)
class _Chain:
    """A chain of convolutions to be evaluated at a width, and its last BatchNorm, scaled."""

    layers: ConvChain
    width: int
    last: ScaledNorm

    def norm(self, layer: int) -> ScaledNorm:
        """What normalises after the given layer."""
        if layer == len(self.layers) - 1:
            return self.last
        norm = self.layers[layer].bn[self.width]
        return ScaledNorm(norm, norm.weight, norm.bias)


class SupernetCell(nn.ModuleDict):
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
        norms = [self._scaled(run) for run in runs]
        zoomed = self._zoomed(x, runs, norms, updates)
        results = []
        for run, scaled, small in zip(runs, norms, zoomed, strict=True):
            operators, stride = self[run.edge], STRIDES[run.edge]
            terms = [_skip(operators["skip"], x, run.width, scaled["skip"], updates)] if "skip" in scaled else []
            chains = [_Chain(operators[n], run.width, scaled[n]) for n in ("conv", "conv_2x") if n in scaled]
            terms += _evaluate(chains, x, stride, updates)
            if small:
                halved = reduce(torch.add, small)
                terms.append(halved if stride == 2 else _doubled(halved, x))
            results.append(reduce(torch.add, terms))
        return results

    def _scaled(self, run: EdgeRun) -> dict[str, ScaledNorm]:
        """The last BatchNorm of each active operator, with the operator's weight as a factor.

        A weight is not negative, so it passes the ReLU and is cheapest as a factor of BatchNorm's own weights.
        """
        active, operators = run.active(), self[run.edge]
        if not active:
            return {}
        weights = run.weights if len(active) == len(OPERATORS) else torch.stack([run.weights[i] for i in active])
        names = [OPERATORS[place] for place in active]
        norms = [_last_norm(operators[name])[run.width] for name in names]
        return dict(zip(names, scale_norms(norms, weights), strict=True))

    def _zoomed(
        self,
        x: Tensor,
        runs: Sequence[EdgeRun],
        norms: Sequence[dict[str, ScaledNorm]],
        updates: list[StatisticsUpdate],
    ) -> list[list[Tensor]]:
        """The weighted zoomed operators of each run, at half the resolution of `x`."""
        chains = [
            [_Chain(self[run.edge][n].convs, run.width, scaled[n]) for n in ("zoom", "zoom_2x") if n in scaled]
            for run, scaled in zip(runs, norms, strict=True)
        ]
        if not any(chains):
            return chains
        terms = iter(_evaluate([c for each in chains for c in each], F.avg_pool2d(x, 2, ceil_mode=True), 1, updates))
        return [[next(terms) for _ in each] for each in chains]


def _evaluate(chains: Sequence[_Chain], x: Tensor, stride: int, updates: list[StatisticsUpdate]) -> list[Tensor]:
    """Weighted chains on one input; their first layers run as one."""
    if not chains:
        return []
    features = joint_conv2d(x, [(chain.layers[0].conv, chain.width) for chain in chains], stride)
    parts = joint_batch_norm(features, [chain.norm(0) for chain in chains], updates)
    results = []
    for chain, part in zip(chains, parts, strict=True):
        for place, layer in list(enumerate(chain.layers))[1:]:
            part = layer.conv(F.relu(part), chain.width)
            (part,) = joint_batch_norm(part, [chain.norm(place)], updates)
        results.append(rectify(part))
    return results


def _skip(
    operator: ConvBnRelu | FactorizedReduce, x: Tensor, width: int, norm: ScaledNorm, updates: list[StatisticsUpdate]
) -> Tensor:
    (part,) = joint_batch_norm(operator.convolved(x, width), [norm], updates)
    return rectify(part)


def _last_norm(operator: nn.Module) -> SlimmableBatchNorm2d:
    chain = operator.convs if isinstance(operator, Zoom) else operator
    return (chain[-1] if isinstance(chain, ConvChain) else chain).bn


def _doubled(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


class _Rectify(torch.autograd.Function):
    """A ReLU that keeps one byte per number for its backward pass instead of four.

    `torch.nn.functional.relu` keeps its result. Where a convolution reads the result it is kept anyway; where it is
    only added to others, as the last of an operator's layers is, a mask is all that the backward pass needs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        return F.relu(x), x > 0

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        mask = output[1]
        ctx.mark_non_differentiable(mask)
        ctx.set_materialize_grads(False)  # no zeros for the mask, which has no gradient
        ctx.save_for_backward(mask)
        ctx.save_for_forward(mask)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> Tensor | None:
        (mask,) = ctx.saved_tensors
        return None if gradient is None else gradient * mask

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, None]:
        (mask,) = ctx.saved_tensors
        return None if tangent is None else tangent * mask, None


def rectify(x: Tensor) -> Tensor:
    """max(x, 0), of the shape of x; differentiable any number of times, in forward and reverse mode."""
    return _Rectify.apply(x)[0]
