"""The five operators of a cell, slimmable in their channels.

Each operator is called as `operator(x, width)`: the input's channels are seen from `x`, the output's are
`out_channels[width]`. With stride 2 the output has half the input's height and width, which must be even. A layer of
fixed channels is one with a single width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.space.architecture import OPERATORS
from lbt.space.slimmable import SlimmableBatchNorm2d, SlimmableConv2d


class ConvBnRelu(nn.Module):
    """Convolution, BatchNorm, ReLU."""

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], kernel_size: int, stride: int = 1):
        super().__init__()
        self.conv = SlimmableConv2d(in_channels, out_channels, kernel_size, stride)
        self.bn = SlimmableBatchNorm2d(out_channels)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], ceil(H / stride), ceil(W / stride))."""
        return F.relu(self.bn(self.convolved(x, width), width))

    def convolved(self, x: Tensor, width: int) -> Tensor:
        """What the BatchNorm takes."""
        return self.conv(x, width)


class FactorizedReduce(nn.Module):
    """Skip with stride 2: two 1x1 convolutions, on the even and on the odd pixels, make half the channels each."""

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int]):
        super().__init__()
        half = [count // 2 for count in out_channels]
        self.even = SlimmableConv2d(in_channels, half, 1, stride=2)
        self.odd = SlimmableConv2d(in_channels, half, 1, stride=2)
        self.bn = SlimmableBatchNorm2d(out_channels)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], H / 2, W / 2) for even H and W."""
        return F.relu(self.bn(self.convolved(x, width), width))

    def convolved(self, x: Tensor, width: int) -> Tensor:
        """What the BatchNorm takes."""
        # One product of matrices for both: two convolutions of stride 2 take twice as long, most of it backward.
        halves = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).diagonal(dim1=3, dim2=5)  # (B, c, H / 2, W / 2, 2)
        weights = torch.stack([conv.sliced(x.shape[1], width).flatten(1) for conv in (self.even, self.odd)])
        made = weights @ halves.movedim(-1, 1).flatten(3)
        return made.flatten(1, 2).unflatten(2, halves.shape[2:4])


class ConvChain(nn.ModuleList):
    """One or more 3x3 convolutions; the first has the stride."""

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], stride: int, depth: int):
        super().__init__(
            ConvBnRelu(out_channels if i else in_channels, out_channels, 3, 1 if i else stride) for i in range(depth)
        )

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], ceil(H / stride), ceil(W / stride))."""
        for layer in self:
            x = layer(x, width)
        return x


class Zoom(nn.Module):
    """Zoomed convolution: halve the resolution, convolve, and with stride 1 double it again (FasterSeg, section 3.1).

    Halving averages 2x2 pixels, which is what bilinear interpolation does there. An odd size is rounded up.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], stride: int, depth: int):
        super().__init__()
        self.stride = stride
        self.convs = ConvChain(in_channels, out_channels, 1, depth)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], ceil(H / stride), ceil(W / stride))."""
        small = self.convs(F.avg_pool2d(x, 2, ceil_mode=True), width)
        return small if self.stride == 2 else F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)


def build_operator(name: str, in_channels: Sequence[int], out_channels: Sequence[int], stride: int) -> nn.Module:
    """A supernet's operator.

    Args:
        name: one of `OPERATORS`.
        in_channels: channels that the input may have.
        out_channels: channels that the output may have, one per width index.
        stride: 1 ("keep") or 2 ("down").

    Raises:
        ValueError: no such operator.
    """
    match name:
        case "skip":
            if stride == 2:
                return FactorizedReduce(in_channels, out_channels)
            return ConvBnRelu(in_channels, out_channels, 1)
        case "conv" | "conv_2x":
            return ConvChain(in_channels, out_channels, stride, depth=2 if name == "conv_2x" else 1)
        case "zoom" | "zoom_2x":
            return Zoom(in_channels, out_channels, stride, depth=2 if name == "zoom_2x" else 1)
    raise ValueError(f"no operator is called {name!r}; there are {', '.join(OPERATORS)}")


def build_derived_operator(name: str, in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """A derived network's operator: like `build_operator` with one width, but a skip of stride 1 is the identity.

    Raises:
        ValueError: no such operator, or an identity that would have to change the number of channels.
    """
    if name == "skip" and stride == 1:
        if in_channels != out_channels:
            raise ValueError(f"a skip of stride 1 cannot turn {in_channels} channels into {out_channels}")
        return nn.Identity()
    return build_operator(name, (in_channels,), (out_channels,), stride)
