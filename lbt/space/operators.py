"""The five operators of a cell, slimmable in their channels.

Each operator is called as `operator(x, width)`: it reads the input's channels from `x`, and the output has
`out_channels[width]` channels. With stride 2 the output has half the input's height and width, which must be even. A
layer of fixed channels is a layer with a single width.
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
        return F.relu(self.bn(self.convolve(x, width), width))

    def convolve(self, x: Tensor, width: int) -> Tensor:
        """The input of the BatchNorm, of the shape of `forward`'s result."""
        return self.conv(x, width)


class FactorizedReduce(nn.Module):
    """Skip with stride 2: two 1x1 convolutions, one on even and one on odd pixels, compute half the channels each."""

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int]):
        super().__init__()
        half = [count // 2 for count in out_channels]
        self.even = SlimmableConv2d(in_channels, half, 1, stride=2)
        self.odd = SlimmableConv2d(in_channels, half, 1, stride=2)
        self.bn = SlimmableBatchNorm2d(out_channels)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], H / 2, W / 2) for even H and W."""
        return F.relu(self.bn(self.convolve(x, width), width))

    def convolve(self, x: Tensor, width: int) -> Tensor:
        """The input of the BatchNorm, of the shape of `forward`'s result."""
        # One matrix product for both, because two convolutions of stride 2 take twice as long, mostly backward.
        halves = x.unflatten(3, (-1, 2)).unflatten(2, (-1, 2)).diagonal(dim1=3, dim2=5)  # (B, c, H / 2, W / 2, 2)
        weights = torch.stack([conv.slice_weight(x.shape[1], width).flatten(1) for conv in (self.even, self.odd)])
        features = weights @ halves.movedim(-1, 1).flatten(3)
        return features.flatten(1, 2).unflatten(2, halves.shape[2:4])


class ConvChain(nn.ModuleList):
    """One or more `ConvBnRelu` with 3x3 kernels; the first has the stride."""

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], stride: int, depth: int):
        super().__init__(
            ConvBnRelu(out_channels if i else in_channels, out_channels, 3, 1 if i else stride) for i in range(depth)
        )

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], ceil(H / stride), ceil(W / stride))."""
        for layer in self:
            x = layer(x, width)
        return x

    def layers(self) -> list[ConvBnRelu]:
        """The convolutions in their order."""
        return [layer for layer in self if isinstance(layer, ConvBnRelu)]


class Zoom(nn.Module):
    """Zoomed convolution: halve the resolution, convolve, and with stride 1 double it again (FasterSeg, section 3.1).

    Halving averages 2x2 pixels, as bilinear interpolation does at this ratio. An odd size is rounded up.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], stride: int, depth: int):
        super().__init__()
        self.stride = stride
        self.convs = ConvChain(in_channels, out_channels, 1, depth)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels[width], ceil(H / stride), ceil(W / stride))."""
        small = self.convs(F.avg_pool2d(x, 2, ceil_mode=True), width)
        return small if self.stride == 2 else F.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)


Operator = ConvBnRelu | FactorizedReduce | ConvChain | Zoom


def build_operator(name: str, in_channels: Sequence[int], out_channels: Sequence[int], stride: int) -> Operator:
    """Build an operator of the supernet.

    Args:
        name: one of `OPERATORS`.
        in_channels: channels that the input may have.
        out_channels: channels that the output may have, one per width index.
        stride: 1 ("keep") or 2 ("down").

    Raises:
        ValueError: there is no such operator.
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
    """Build an operator of a derived network, of one width; a skip of stride 1 is the identity.

    Raises:
        ValueError: there is no such operator, or an identity would have to change the number of channels.
    """
    if name == "skip" and stride == 1:
        if in_channels != out_channels:
            raise ValueError(f"a skip of stride 1 cannot turn {in_channels} channels into {out_channels}")
        return nn.Identity()
    return build_operator(name, (in_channels,), (out_channels,), stride)
