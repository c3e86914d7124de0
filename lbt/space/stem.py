"""The stem, the fixed layers before the searched ones: three strides of 2 from the image to 1/8."""

from __future__ import annotations

from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.space.operators import ConvBnRelu, ConvChain
from lbt.space.widths import channels


def stem_channels(space: SpaceSettings) -> tuple[int, int, int]:
    """Channels at 1/2, 1/4 and 1/8: 4F, 8F and 8F at full width."""
    narrow, wide = (channels(space.base_width, scale, space.stem_twelfths) for scale in (4, 8))
    return narrow, wide, wide


class Stem(nn.Module):
    """One 3x3 convolution and two pairs of them, each with stride 2."""

    def __init__(self, space: SpaceSettings):
        super().__init__()
        half, quarter, eighth = stem_channels(space)
        self.to_half = ConvBnRelu((3,), (half,), 3, 2)
        self.to_quarter = ConvChain((half,), (quarter,), 2, depth=2)
        self.to_eighth = ConvChain((quarter,), (eighth,), 2, depth=2)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, `stem_channels`[2], H / 8, W / 8); H and W are multiples of 8."""
        return self.to_eighth(self.to_quarter(self.to_half(images)))
