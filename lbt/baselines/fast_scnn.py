"""Fast-SCNN, a segmentation network for real time: two branches that share their first layers.

Poudel, Liwicki and Cipolla, Fast-SCNN: Fast Semantic Segmentation Network, BMVC 2019 (arXiv:1902.04502). The numbers
of layers, channels and strides are those of its Table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.baselines.baseline import Baseline
from lbt.space.widths import CHANNEL_MULTIPLE

PUBLISHED = 8
"""The base width at which the network has the channels of the paper.

With this rule it takes about as long as FasterSeg's released network of the same base width: on a core, images of
360 x 480 pixels took 12 and 12.5 ms at base width 4. The rule is a constant, so no result depends on a clock.
"""
BINS = (1, 2, 3, 6)
"""Regions per side in the pyramid pooling module (Zhao et al., PSPNet, CVPR 2017)."""
EXPANSION = 6
"""Factor t of the inner channels of a bottleneck."""


class FastSCNN(Baseline):
    """Learning to downsample to 1/8, global features at 1/32, their fusion at 1/8, and the classifier (Section 3.2).

    The paper trains with two further heads of weight 0.4, after learning to downsample and after the global features
    (Section 4). Its dropout before the last layer is left out, because no network of a run has any.

    Args:
        classes: number of classes C.
        width: multiplies the channels of the paper; they are rounded to multiples of 8, at least 8.
    """

    def __init__(self, classes: int, width: float = 1.0) -> None:
        super().__init__(stride=8)
        first, second, third, wide, context = (scale_channels(count, width) for count in (32, 48, 64, 96, 128))
        self.downsample = nn.Sequential(
            *_convolution(3, first, 3, stride=2), *_separable(first, second, 2), *_separable(second, third, 2)
        )
        self.context = nn.Sequential(
            *_bottlenecks(third, third, 2), *_bottlenecks(third, wide, 2), *_bottlenecks(wide, context, 1)
        )
        self.pyramid = Pyramid(context)
        self.fusion = Fusion(third, context, context)
        self.classifier = nn.Sequential(
            *_separable(context, context, 1), *_separable(context, context, 1), nn.Conv2d(context, classes, 1)
        )
        self.add_auxiliary("detail", _head(third, classes), stride=8)
        self.add_auxiliary("context", _head(context, classes), stride=32)

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """`detail` at 1/8, and `context` at 1/32."""
        detail = self.downsample(images)
        return {"detail": detail, "context": self.pyramid(self.context(detail))}

    def predict(self, features: dict[str, Tensor]) -> Tensor:
        """Logits at 1/8."""
        return self.classifier(self.fusion(features["detail"], features["context"]))


class Bottleneck(nn.Module):
    """The inverted residual of MobileNetV2 (Sandler et al., CVPR 2018), as in Table 2."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        inner = EXPANSION * before
        self.adds = stride == 1 and before == after
        self.layers = nn.Sequential(
            *_convolution(before, inner, 1),
            *_convolution(inner, inner, 3, stride=stride, groups=inner),
            *_convolution(inner, after, 1, active=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, after, H / stride, W / stride)."""
        return x + self.layers(x) if self.adds else self.layers(x)


class Pyramid(nn.Module):
    """Means over `BINS` x `BINS` regions, each with a quarter of the channels, beside the input (Section 3.2.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        quarter = max(1, channels // len(BINS))
        self.branches = nn.ModuleList(nn.Sequential(*_convolution(channels, quarter, 1)) for _ in BINS)
        self.merge = nn.Sequential(*_convolution(channels + quarter * len(BINS), channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same shape."""
        size = (x.shape[-2], x.shape[-1])
        pooled = [branch(region_means(x, side)) for branch, side in zip(self.branches, BINS, strict=True)]
        enlarged = [F.interpolate(each, size, mode="bilinear", align_corners=False) for each in pooled]
        return self.merge(torch.cat([x, *enlarged], dim=1))


class Fusion(nn.Module):
    """The sum of detail at 1/8 and enlarged context from 1/32 (Table 3)."""

    FACTOR = 4

    def __init__(self, detail: int, context: int, channels: int) -> None:
        super().__init__()
        self.detail = nn.Sequential(*_convolution(detail, channels, 1, active=False))
        self.context = nn.Sequential(
            *_convolution(context, context, 3, groups=context, dilation=self.FACTOR),
            *_convolution(context, channels, 1, active=False),
        )

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        """(B, detail, H, W), (B, context, H / 4, W / 4) -> (B, channels, H, W)."""
        enlarged = F.interpolate(context, scale_factor=self.FACTOR, mode="bilinear", align_corners=False)
        return F.relu(self.detail(detail) + self.context(enlarged))


def scale_channels(count: int, width: float) -> int:
    """`count` times `width`, rounded to the nearest multiple of 8, at least 8."""
    return CHANNEL_MULTIPLE * max(1, int(count * width / CHANNEL_MULTIPLE + 0.5))


def region_means(x: Tensor, side: int) -> Tensor:
    """Means over side x side regions, (B, c, H, W) -> (B, c, side, side); those of adaptive average pooling.

    Region i covers the rows from floor(i H / side) to ceil((i + 1) H / side). Two matrix products compute the means,
    because PyTorch's gradient of this pooling does not repeat its result on a GPU.
    """
    return _averages(x, x.shape[-2], side) @ x @ _averages(x, x.shape[-1], side).T


torch.fx.wrap("region_means")  # its matrices depend on the size, which symbolic tracing does not know


def build(classes: int, base_width: int = PUBLISHED) -> FastSCNN:
    """Fast-SCNN with base_width / 8 times the channels of the paper."""
    return FastSCNN(classes, base_width / PUBLISHED)


def _averages(like: Tensor, length: int, side: int) -> Tensor:
    """The matrix (side, length) that averages each of `side` parts of a row, in the number format of `like`."""
    place = torch.arange(length, device=like.device)
    part = torch.arange(side, device=like.device)[:, None]
    inside = (place >= part * length // side) & (place < ((part + 1) * length + side - 1) // side)
    return inside.to(like.dtype) / inside.sum(dim=1, keepdim=True).to(like.dtype)


def _convolution(
    before: int, after: int, side: int, *, stride: int = 1, groups: int = 1, dilation: int = 1, active: bool = True
) -> Sequence[nn.Module]:
    """Convolution and BatchNorm, and a ReLU if `active`."""
    padding = dilation * (side // 2)
    conv = nn.Conv2d(before, after, side, stride, padding, dilation, groups, bias=False)
    return [conv, nn.BatchNorm2d(after), *([nn.ReLU(inplace=True)] if active else [])]


def _separable(before: int, after: int, stride: int) -> Sequence[nn.Module]:
    """A depthwise convolution and a pointwise one, each with BatchNorm, and a ReLU behind both (Section 3.2.1)."""
    depthwise = _convolution(before, before, 3, stride=stride, groups=before, active=False)
    return [*depthwise, *_convolution(before, after, 1)]


def _bottlenecks(before: int, after: int, stride: int) -> Sequence[nn.Module]:
    """Three bottlenecks; the first one has the stride."""
    return [Bottleneck(before, after, stride), Bottleneck(after, after, 1), Bottleneck(after, after, 1)]


def _head(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(*_separable(channels, channels, 1), nn.Conv2d(channels, classes, 1))
