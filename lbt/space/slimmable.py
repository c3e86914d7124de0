"""Layers whose number of channels is chosen at each call (Yu et al., Slimmable Neural Networks, ICLR 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.space.batch_norm import BatchNorm2d, StatisticsUpdate, normalise_batch


class SlimmableConv2d(nn.Module):
    """Convolution without bias that uses the first channels of one weight.

    Args:
        in_channels: channels that the input may have; the weight has the largest number.
        out_channels: channels that the output may have, one per width index.
        kernel_size: odd side of the kernel in pixels; the padding is half of it, rounded down.
        stride: 1 or 2.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], kernel_size: int, stride: int = 1):
        super().__init__()
        self.out_channels, self.stride, self.padding = tuple(out_channels), stride, kernel_size // 2
        self.weight = nn.Parameter(torch.empty(max(out_channels), max(in_channels), kernel_size, kernel_size))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor, width: int) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], ceil(H / stride), ceil(W / stride)) for any c of `in_channels`."""
        return F.conv2d(x, self.slice_weight(x.shape[1], width), stride=self.stride, padding=self.padding)

    def slice_weight(self, in_channels: int, width: int) -> Tensor:
        """The weight for an input of `in_channels`: (out_channels[width], in_channels, kernel_size, kernel_size)."""
        shape = (self.out_channels[width], in_channels, *self.weight.shape[2:])
        if shape == self.weight.shape:
            return self.weight
        if _ADDED_IN_PLACE.get():
            return _Slice.apply(self.weight, shape)
        # One view, because the backward pass of two slices would fill a whole weight with zeros twice.
        return self.weight.as_strided(shape, self.weight.stride())


_ADDED_IN_PLACE: ContextVar[bool] = ContextVar("_ADDED_IN_PLACE", default=False)


@contextmanager
def slices_added_in_place() -> Iterator[None]:
    """For passes in the block, `backward` adds the gradient of a sliced weight to that part of `.grad` only.

    Otherwise it fills a whole weight with zeros and adds all of it, which takes longer than a narrow sub-network's
    convolutions. `torch.autograd.grad` finds no gradient in a sliced weight here.
    """
    token = _ADDED_IN_PLACE.set(True)
    try:
        yield
    finally:
        _ADDED_IN_PLACE.reset(token)


class _Slice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: nn.Parameter, shape: tuple[int, ...]) -> Tensor:
        ctx.weight, ctx.shape = weight, shape
        return weight.as_strided(shape, weight.stride())

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None]:
        if ctx.weight.grad is None:
            ctx.weight.grad = torch.zeros_like(ctx.weight)
        ctx.weight.grad.as_strided(ctx.shape, ctx.weight.grad.stride()).add_(gradient)
        return None, None


class SlimmableBatchNorm2d(nn.ModuleList):
    """One `BatchNorm2d` per width index, because each width has statistics of its own."""

    def __init__(self, channels: Sequence[int]):
        super().__init__(BatchNorm2d(count) for count in channels)

    def norm(self, width: int) -> BatchNorm2d:
        """The BatchNorm of `width`."""
        return cast(BatchNorm2d, self[width])  # the list holds no other modules

    def forward(self, x: Tensor, width: int) -> Tensor:
        """Normalise (B, channels[width], H, W) with the statistics of `width`."""
        return self[width](x)


@dataclass(frozen=True)
class ScaledNorm:
    """A BatchNorm, and the weight and bias (c,) that replace its own."""

    norm: BatchNorm2d
    weight: Tensor
    bias: Tensor


def scale_norms(norms: Sequence[BatchNorm2d], scales: Tensor) -> list[ScaledNorm]:
    """Multiply the result of each BatchNorm by a scalar.

    Args:
        norms: n of them, all of c channels.
        scales: (n,).
    """
    # One product for all, because each BatchNorm by itself takes eight launches of a few numbers each.
    own: list[Tensor] = [*(norm.weight for norm in norms), *(norm.bias for norm in norms)]
    scaled = (torch.stack(own).unflatten(0, (2, len(norms))) * scales[:, None]).flatten(0, 1).unbind()
    weights, biases = scaled[: len(norms)], scaled[len(norms) :]
    return [ScaledNorm(norm, weight, bias) for norm, weight, bias in zip(norms, weights, biases, strict=True)]


def joint_conv2d(x: Tensor, layers: Sequence[tuple[SlimmableConv2d, int]], stride: int) -> Tensor:
    """Run several convolutions of one kernel size on the same input as one convolution.

    Args:
        x: (B, c, H, W).
        layers: convolutions and their width indices.
        stride: stride of all convolutions.

    Returns:
        (B, sum of their channels, ceil(H / stride), ceil(W / stride)).
    """
    weights = [layer.slice_weight(x.shape[1], width) for layer, width in layers]
    return F.conv2d(x, torch.cat(weights) if len(weights) > 1 else weights[0], None, stride, layers[0][0].padding)


def joint_batch_norm(
    x: Tensor,
    runs: Sequence[ScaledNorm],
    updates: list[StatisticsUpdate],
) -> tuple[Tensor, ...]:
    """Run several BatchNorms on neighbouring channels as one BatchNorm.

    Args:
        x: (B, sum of the BatchNorms' channels, H, W).
        runs: the BatchNorms in the order of their channels.
        updates: in training, the batch's statistics for each BatchNorm are appended. The running statistics do not
            change here.

    Returns:
        A (B, channels, H, W) for each BatchNorm.
    """
    norms = [run.norm for run in runs]
    counts, first = [norm.num_features for norm in norms], norms[0]
    weight, bias = _join([run.weight for run in runs]), _join([run.bias for run in runs])
    if first.training:
        x, mean, variance = normalise_batch(x, weight, bias, first.eps)
        pairs = zip(norms, _split(mean, counts), _split(variance, counts), strict=True)
        updates += [StatisticsUpdate(*pair) for pair in pairs]
    else:
        mean, variance = (_join([getattr(norm, f"running_{name}") for norm in norms]) for name in ("mean", "var"))
        x = F.batch_norm(x, mean, variance, weight, bias, eps=first.eps)
    return _split(x, counts, dim=1)


def _join(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(parts)) if len(parts) > 1 else parts[0]


def _split(x: Tensor, counts: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    return x.split(list(counts), dim) if len(counts) > 1 else (x,)
