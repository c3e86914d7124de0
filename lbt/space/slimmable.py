"""Layers whose number of channels is chosen at each call (Yu et al., Slimmable Neural Networks, ICLR 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SlimmableConv2d(nn.Module):
    """Convolution without bias that uses the first channels of one weight.

    Args:
        in_channels: channels that the input may have; the weight holds the most.
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
        weight = self.weight[: self.out_channels[width], : x.shape[1]]
        return F.conv2d(x, weight, stride=self.stride, padding=self.padding)


class SlimmableBatchNorm2d(nn.ModuleList):
    """One `BatchNorm2d` per width index, because each width has statistics of its own."""

    def __init__(self, channels: Sequence[int]):
        super().__init__(nn.BatchNorm2d(count) for count in channels)

    def forward(self, x: Tensor, width: int) -> Tensor:
        """Normalise (B, channels[width], H, W) with the statistics of `width`."""
        return self[width](x)
