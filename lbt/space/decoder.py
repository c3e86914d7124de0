"""The decoder, from features to logits: refinement to a finer scale, fusion of branches, prediction heads."""

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
"""Predictions of the supernet, each named by the scales of its branches."""

Details = dict[int, Tensor]
"""Scale s -> the feature (B, channels, H / s, W / s) with which a branch leaves s for the next coarser scale."""


class Refine(nn.Module):
    """Bring a coarse feature to the next finer scale and merge it with a detail there.

    A 1x1 convolution, bilinear doubling, then a 3x3 convolution on the result and the detail.

    Args:
        coarse: channels of the coarse feature.
        detail: channels of the detail.
        out: channels of the result.
    """

    def __init__(self, coarse: int, detail: int, out: int):
        super().__init__()
        self.reduce = ConvBnRelu((coarse,), (out,), 1)
        self.merge = ConvBnRelu((out + detail,), (out,), 3)

    def forward(self, coarse: Tensor, detail: Tensor) -> Tensor:
        """(B, coarse, H, W) and (B, at most `detail`, 2H, 2W) -> (B, out, 2H, 2W)."""
        x = F.interpolate(self.reduce(coarse), detail.shape[-2:], mode="bilinear", align_corners=False)
        return self.merge(torch.cat([x, detail], dim=1))


class BranchDecoder(nn.ModuleDict):
    """Refine a branch's output to 1/8 with the branch's own details: its features just before each halving.

    Args:
        branch_scale: scale of the branch's output.
        in_channels: channels of the branch's output.
        details: channels of the details by scale.
        out: channels of the refined features by scale.
    """

    def __init__(self, branch_scale: int, in_channels: int, details: Mapping[int, int], out: Mapping[int, int]):
        super().__init__()
        self.out_channels = in_channels
        for scale in (16, 8):
            if scale < branch_scale:
                self[str(scale)] = Refine(self.out_channels, details[scale], out[scale])
                self.out_channels = out[scale]

    def forward(self, x: Tensor, details: Details) -> Tensor:
        """The branch's output and its details -> (B, `out_channels`, H / 8, W / 8)."""
        for scale, refine in self.items():
            x = refine(x, details[int(scale)])
        return x


class Head(nn.Sequential):
    """A 3x3 convolution, then one logit per class; more than 256 channels are halved in between."""

    def __init__(self, in_channels: int, num_classes: int):
        middle = in_channels if in_channels <= 256 else in_channels // 2
        super().__init__(ConvBnRelu((in_channels,), (middle,), 3), nn.Conv2d(middle, num_classes, 1))


class FusionHead(nn.Module):
    """Fuse the branches' features at 1/8 by a 1x1 convolution and predict logits.

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
    """Scale -> channels of a branch's output or of a refined feature there."""
    return {scale: channels(space.base_width, scale, space.head_twelfths) for scale in SCALES}


def parse_branch_scales(output: str) -> tuple[int, ...]:
    """Scales of the branches of one of `OUTPUTS`, coarsest first: (32, 16) for `16+32`."""
    return tuple(sorted(map(int, output.split("+")), reverse=True))


def main_output(space: SpaceSettings) -> str:
    """The one of `OUTPUTS` that the derived network has; with `branches: best`, the first of the two candidates."""
    return OUTPUTS[0] if space.branches == "best" else space.branches


def order_outputs(space: SpaceSettings) -> tuple[str, ...]:
    """`OUTPUTS` with the main output first."""
    main = main_output(space)
    return (main, *(name for name in OUTPUTS if name != main))


class SupernetDecoder(nn.Module):
    """The decoders of all derived networks: one for each scale at which a branch may end, and one head per output.

    Args:
        space: the search space.
        num_classes: number of classes C.
    """

    def __init__(self, space: SpaceSettings, num_classes: int):
        super().__init__()
        out, self.outputs = head_channels(space), order_outputs(space)
        # The most channels of a detail at each scale: layers 0 to 2 have the stem's width and every selectable one.
        details: dict[int, int] = {
            s: max(max(channel_choices(space, layer, s)) for layer in range(s // 16, 3)) for s in SCALES[:2]
        }
        self.branches = nn.ModuleDict({str(s): BranchDecoder(s, out[s], details, out) for s in SCALES})
        self.predictions = nn.ModuleDict(
            {name: FusionHead(out[8] * len(parse_branch_scales(name)), num_classes) for name in OUTPUTS}
        )

    def forward(self, features: Mapping[int, Tensor], details: Mapping[int, Details]) -> tuple[Tensor, ...]:
        """Logits (B, C, H / 8, W / 8) in the order of `order_outputs`.

        Args:
            features: scale s -> the last layer's output (B, c, H / s, W / s).
            details: scale of a branch's output -> the details of that branch.
        """
        refined = {scale: self.branches[str(scale)](x, details.get(scale, {})) for scale, x in features.items()}
        return tuple(
            self.predictions[name](*(refined[end] for end in parse_branch_scales(name))) for name in self.outputs
        )
