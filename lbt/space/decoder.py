"""Parts that turn features into logits: refinement to a finer scale and prediction heads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.space.architecture import SCALES
from lbt.space.operators import ConvBnRelu
from lbt.space.widths import channels

OUTPUTS = ("16+32", "8+32", "32", "16", "8")


class Refine(nn.Module):
    """Bring a coarse feature to the next finer scale and merge it with a detail: 1x1 convolution, doubling, 3x3.

    Args:
        coarse: channels of the coarse feature.
        detail: channels of the feature at the finer scale.
        out: channels of the result.
    """

    def __init__(self, coarse: int, detail: int, out: int):
        super().__init__()
        self.reduce = ConvBnRelu((coarse,), (out,), 1)
        self.merge = ConvBnRelu((out + detail,), (out,), 3)

    def forward(self, coarse: Tensor, detail: Tensor) -> Tensor:
        """(B, coarse, H, W) and (B, detail, 2H, 2W) -> (B, out, 2H, 2W)."""
        x = F.interpolate(self.reduce(coarse), detail.shape[-2:], mode="bilinear", align_corners=False)
        return self.merge(torch.cat([x, detail], dim=1))


class Head(nn.Sequential):
    """3x3 convolution, then one logit per class; more than 256 channels are halved in between."""

    def __init__(self, in_channels: int, num_classes: int):
        middle = in_channels if in_channels <= 256 else in_channels // 2
        super().__init__(ConvBnRelu((in_channels,), (middle,), 3), nn.Conv2d(middle, num_classes, 1))


class SupernetDecoder(nn.Module):
    """Five predictions at 1/8 from the last layer's three features, in the order of `OUTPUTS`.

    Each name says which branches the derived network would have: `16+32` is the prediction of branches that end at
    1/16 and 1/32.
    """

    def __init__(self, space: SpaceSettings, num_classes: int):
        super().__init__()
        c8, c16, c32 = (channels(space.base_width, scale, space.head_twelfths) for scale in SCALES)
        self.refine_16 = Refine(c16, c8, c8)
        self.refine_32_to_16 = Refine(c32, c16, c16)
        self.refine_32_to_8 = Refine(c16, c8, c8)
        self.heads = nn.ModuleDict({name: Head(c8 * len(name.split("+")), num_classes) for name in OUTPUTS})

    def forward(self, x8: Tensor, x16: Tensor, x32: Tensor) -> tuple[Tensor, ...]:
        """Features at 1/8, 1/16, 1/32 of an image (H, W) -> five logits (B, C, H / 8, W / 8)."""
        from_16 = self.refine_16(x16, x8)
        from_32 = self.refine_32_to_8(self.refine_32_to_16(x32, x16), x8)
        branch = {"8": x8, "16": from_16, "32": from_32}
        return tuple(self.heads[name](torch.cat([branch[end] for end in name.split("+")], dim=1)) for name in OUTPUTS)
