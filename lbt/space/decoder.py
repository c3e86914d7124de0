"""Parts that turn features into logits: refinement to a finer scale, fusion of branches, prediction heads."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.space.architecture import SCALES
from lbt.space.operators import ConvBnRelu
from lbt.space.widths import channel_choices, channels

OUTPUTS = ("16+32", "8+32", "32", "16", "8")

Details = dict[int, Tensor]


class Refine(nn.Module):
    """Bring a coarse feature to the next finer scale and merge it with a detail: 1x1 convolution, doubling, 3x3.

    Args:
        coarse: channels of the coarse feature.
        detail: most channels of the feature at the finer scale.
        out: channels of the result.
    """

    def __init__(self, coarse: int, detail: int, out: int):
        super().__init__()
        self.reduce = ConvBnRelu((coarse,), (out,), 1)
        self.merge = ConvBnRelu((out + detail,), (out,), 3)

    def forward(self, coarse: Tensor, detail: Tensor) -> Tensor:
        """(B, coarse, H, W) and (B, up to detail, 2H, 2W) -> (B, out, 2H, 2W)."""
        x = F.interpolate(self.reduce(coarse), detail.shape[-2:], mode="bilinear", align_corners=False)
        return self.merge(torch.cat([x, detail], dim=1))


class BranchDecoder(nn.ModuleDict):
    """Refine a branch's output to 1/8 with the branch's own details: its features just before each halving.

    Args:
        end: scale of the branch's output.
        count: its channels.
        details: channels of the details by scale.
        out: channels of the refined features by scale.
    """

    def __init__(self, end: int, count: int, details: Mapping[int, int], out: Mapping[int, int]):
        super().__init__()
        for scale in (16, 8):
            if scale < end:
                self[str(scale)] = Refine(count, details[scale], out[scale])
                count = out[scale]
        self.out_channels = count

    def forward(self, x: Tensor, details: Details) -> Tensor:
        """Output at the branch's end and details by scale -> (B, `out_channels`, H / 8, W / 8)."""
        for scale, refine in self.items():
            x = refine(x, details[int(scale)])
        return x


class Head(nn.Sequential):
    """3x3 convolution, then one logit per class; more than 256 channels are halved in between."""

    def __init__(self, in_channels: int, num_classes: int):
        middle = in_channels if in_channels <= 256 else in_channels // 2
        super().__init__(ConvBnRelu((in_channels,), (middle,), 3), nn.Conv2d(middle, num_classes, 1))


class FusionHead(nn.Module):
    """Fuse the branches' features at 1/8 with a 1x1 convolution and predict.

    Args:
        in_channels: channels of all branches together.
        num_classes: number of classes C.
    """

    def __init__(self, in_channels: int, num_classes: int):
        super().__init__()
        self.fusion, self.head = ConvBnRelu((in_channels,), (in_channels,), 1), Head(in_channels, num_classes)

    def forward(self, *branches: Tensor) -> Tensor:
        """Features of the branches (B, c, h, w), coarsest branch first -> logits (B, C, h, w)."""
        return self.head(self.fusion(torch.cat(branches, dim=1)))


def head_channels(space: SpaceSettings) -> dict[int, int]:
    """Channels of a branch's output and of the refined features by scale."""
    return {scale: channels(space.base_width, scale, space.head_twelfths) for scale in SCALES}


def parse_branch_scales(output: str) -> tuple[int, ...]:
    """Scales at which the branches of one of `OUTPUTS` end, coarsest first."""
    return tuple(sorted(map(int, output.split("+")), reverse=True))


def main_output(space: SpaceSettings) -> str:
    """The one of `OUTPUTS` that the derived network has; of two that it may have, the first."""
    return OUTPUTS[0] if space.branches == "best" else space.branches


def ordered_outputs(space: SpaceSettings) -> tuple[str, ...]:
    """`OUTPUTS` with the main one first."""
    main = main_output(space)
    return (main, *(name for name in OUTPUTS if name != main))


class SupernetDecoder(nn.Module):
    """The decoders of every derived network: one for each scale at which a branch may end, one head per output.

    Args:
        space: the search space.
        num_classes: number of classes C.
    """

    def __init__(self, space: SpaceSettings, num_classes: int):
        super().__init__()
        out, self.outputs = head_channels(space), ordered_outputs(space)
        most = {s: max(max(channel_choices(space, layer, s)) for layer in range(s // 16, 3)) for s in SCALES[:2]}
        self.branches = nn.ModuleDict({str(end): BranchDecoder(end, out[end], most, out) for end in SCALES})
        self.predictions = nn.ModuleDict(
            {name: FusionHead(out[8] * len(parse_branch_scales(name)), num_classes) for name in OUTPUTS}
        )

    def forward(self, ends: Mapping[int, Tensor], details: Mapping[int, Details]) -> tuple[Tensor, ...]:
        """Logits (B, C, H / 8, W / 8) in the order of `ordered_outputs`.

        Args:
            ends: scale s -> the last layer's output (B, c, H / s, W / s).
            details: scale at which a branch ends -> its details by scale.
        """
        refined = {end: self.branches[str(end)](x, details.get(end, {})) for end, x in ends.items()}
        return tuple(
            self.predictions[name](*(refined[end] for end in parse_branch_scales(name))) for name in self.outputs
        )
