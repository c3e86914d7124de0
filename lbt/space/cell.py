"""A cell of the supernet: all operators of its edges on one input, with shared work done once.

A cell halves its input once for all zoomed operators, and doubles the sum of their results once. First convolutions
that read the same feature run as one convolution with one BatchNorm: those of `conv` and `conv_2x` of an edge, and
those of `zoom` and `zoom_2x` of both edges. The result is the weighted sum of the operators of `lbt.space.operators`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.space.architecture import OperatorName
from lbt.space.batch_norm import StatisticsUpdate
from lbt.space.operators import ConvBnRelu, ConvChain, FactorizedReduce, Operator, Zoom, build_operator
from lbt.space.slimmable import ScaledNorm, SlimmableBatchNorm2d, joint_batch_norm, joint_conv2d, scale_norms

STRIDES = {"keep": 1, "down": 2}


@dataclass(frozen=True)
class EdgeRun:
    """One edge to evaluate.

    Attributes:
        edge: `keep` or `down`.
        weights: (n,), above 0, of n operators.
        operators: their names; no other operator is evaluated.
        width: index into the output's channels.
    """

    edge: str
    weights: Tensor
    operators: tuple[OperatorName, ...]
    width: int


class Edge(nn.Module):
    """The operators of an edge, each an attribute of its name.

    Args:
        operators: their names.
        in_channels: channels that the input may have.
        out_channels: channels that the output may have, one per width.
        stride: 1 or 2.
    """

    skip: ConvBnRelu | FactorizedReduce
    conv: ConvChain
    zoom: Zoom
    conv_2x: ConvChain
    zoom_2x: Zoom

    def __init__(
        self,
        operators: Sequence[OperatorName],
        in_channels: Sequence[int],
        out_channels: Sequence[int],
        stride: int,
    ):
        super().__init__()
        for name in operators:
            setattr(self, name, build_operator(name, in_channels, out_channels, stride))

    def operator(self, name: OperatorName) -> Operator:
        """The operator of that name."""
        return getattr(self, name)


@dataclass(frozen=True)
class _Chain:
    """A chain of convolutions to evaluate at a width, and its last BatchNorm, scaled."""

    layers: Sequence[ConvBnRelu]
    width: int
    last: ScaledNorm

    def norm(self, index: int) -> ScaledNorm:
        """The BatchNorm that follows the convolution at `index`."""
        if index == len(self.layers) - 1:
            return self.last
        norm = self.layers[index].bn.norm(self.width)
        return ScaledNorm(norm, norm.weight, norm.bias)


class SupernetCell(nn.Module):
    """The edges of a cell: `keep` and, unless the cell is in the last layer or at the coarsest scale, `down`.

    Args:
        operators: names of the operators of each edge.
        in_channels: channels that the input may have.
        out_channels: name of each edge -> channels that its output may have, one per width.
    """

    keep: Edge
    down: Edge

    def __init__(
        self,
        operators: Sequence[OperatorName],
        in_channels: Sequence[int],
        out_channels: Mapping[str, Sequence[int]],
    ):
        super().__init__()
        for name, choices in out_channels.items():
            setattr(self, name, Edge(operators, in_channels, choices, STRIDES[name]))

    def edge(self, name: str) -> Edge:
        """The edge of that name."""
        return getattr(self, name)

    def forward(self, x: Tensor, runs: Sequence[EdgeRun], updates: list[StatisticsUpdate]) -> list[Tensor]:
        """Weighted sums of the operators of each run.

        Args:
            x: (B, c, H, W); H and W are even if `down` is among the runs.
            runs: edges to evaluate.
            updates: in training, the changes of the running statistics are appended, for
                `lbt.space.batch_norm.update_statistics`.

        Returns:
            One (B, channels, H / stride, W / stride) for each run.
        """
        norms = [self._scale_last_norms(run) for run in runs]
        zoomed = self._run_zoomed(x, runs, norms, updates)
        results = []
        for run, scaled, small in zip(runs, norms, zoomed, strict=True):
            edge, stride = self.edge(run.edge), STRIDES[run.edge]
            terms = [_run_skip(edge.skip, x, run.width, scaled["skip"], updates)] if "skip" in scaled else []
            convolutions = [(name, getattr(edge, name)) for name in ("conv", "conv_2x") if name in scaled]
            chains = [_Chain(o.layers(), run.width, scaled[name]) for name, o in convolutions]
            terms += _run_chains(chains, x, stride, updates)
            if small:
                halved = reduce(torch.add, small)
                terms.append(halved if stride == 2 else _enlarge(halved, x))
            results.append(reduce(torch.add, terms))
        return results

    def _scale_last_norms(self, run: EdgeRun) -> dict[str, ScaledNorm]:
        """The last BatchNorm of each active operator, with the operator's weight as a factor.

        A weight is not negative, so it passes the ReLU and is cheapest as a factor of BatchNorm's own weights.
        """
        edge = self.edge(run.edge)
        norms = [_last_norm(edge.operator(name)).norm(run.width) for name in run.operators]
        return dict(zip(run.operators, scale_norms(norms, run.weights), strict=True))

    def _run_zoomed(
        self,
        x: Tensor,
        runs: Sequence[EdgeRun],
        norms: Sequence[Mapping[str, ScaledNorm]],
        updates: list[StatisticsUpdate],
    ) -> list[list[Tensor]]:
        """The weighted zoomed operators of each run, at half the resolution of `x`."""
        chains = []
        for run, scaled in zip(runs, norms, strict=True):
            edge = self.edge(run.edge)
            zooms = [(name, getattr(edge, name)) for name in ("zoom", "zoom_2x") if name in scaled]
            chains.append([_Chain(o.convs.layers(), run.width, scaled[name]) for name, o in zooms])
        if not any(chains):
            return [[] for _ in runs]
        halved = F.avg_pool2d(x, 2, ceil_mode=True)
        terms = iter(_run_chains([chain for each in chains for chain in each], halved, 1, updates))
        return [[next(terms) for _ in each] for each in chains]


def _run_chains(chains: Sequence[_Chain], x: Tensor, stride: int, updates: list[StatisticsUpdate]) -> list[Tensor]:
    """Weighted chains on one input; their first convolutions run as one."""
    if not chains:
        return []
    features = joint_conv2d(x, [(chain.layers[0].conv, chain.width) for chain in chains], stride)
    parts = joint_batch_norm(features, [chain.norm(0) for chain in chains], updates)
    results = []
    for chain, part in zip(chains, parts, strict=True):
        for index, layer in list(enumerate(chain.layers))[1:]:
            part = layer.conv(F.relu(part), chain.width)
            (part,) = joint_batch_norm(part, [chain.norm(index)], updates)
        results.append(rectify(part))
    return results


def _run_skip(
    operator: ConvBnRelu | FactorizedReduce, x: Tensor, width: int, norm: ScaledNorm, updates: list[StatisticsUpdate]
) -> Tensor:
    (part,) = joint_batch_norm(operator.convolve(x, width), [norm], updates)
    return rectify(part)


def _last_norm(operator: Operator) -> SlimmableBatchNorm2d:
    if isinstance(operator, Zoom):
        operator = operator.convs
    return operator.layers()[-1].bn if isinstance(operator, ConvChain) else operator.bn


def _enlarge(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)


class _Rectify(torch.autograd.Function):
    """A ReLU that keeps one byte per number for its backward pass instead of four.

    `torch.nn.functional.relu` keeps its result. If a convolution reads the result, it is kept in any case. The last
    layer of an operator is only added to others, so its backward pass needs no more than a mask.
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
    return _Rectify.apply(x)[0] if torch.is_grad_enabled() else F.relu(x)  # no mask where nothing goes back
