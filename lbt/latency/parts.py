"""Parts of a network that are timed one by one: stem, cells, refinements of the decoder, prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.network.genotype import Branch, Genotype, cell_channels
from lbt.space.architecture import scales_at
from lbt.space.decoder import FusionHead, Refine
from lbt.space.operators import build_derived_operator
from lbt.space.padding import crop_logits, enlarge_logits, feature_size, pad_images
from lbt.space.stem import Stem, stem_channels
from lbt.space.widths import channel_choices, channels

BRANCH_COUNTS = (1, 2)


@dataclass(frozen=True)
class Part:
    """All that determines the time of a part at a given image size; it identifies a row of the lookup table.

    Attributes:
        part: `stem`, `cell`, `refine` or `predict`.
        operator: operator of a cell, one of `lbt.config.OPERATORS`; empty for other parts.
        stride: 1 or 2 for a cell, 8 for the stem, 1 for other parts.
        scale: scale of the input: 1 for the image, 8 for 1/8 and so on.
        in_channels: channels of the input.
        detail_channels: channels of the detail that a refinement merges; 0 for other parts.
        out_channels: channels of the output.
    """

    part: str
    operator: str
    stride: int
    scale: int
    in_channels: int
    detail_channels: int
    out_channels: int

    @property
    def is_first(self) -> bool:
        """Whether it reads the image."""
        return self.part == "stem"

    @property
    def is_last(self) -> bool:
        """Whether it writes the logits."""
        return self.part == "predict"


def stem_part(space: SpaceSettings) -> Part:
    """The fixed layers from the image to 1/8, padding of the image included."""
    return Part("stem", "", 8, 1, 3, 0, stem_channels(space)[-1])


def cell_part(operator: str, stride: int, scale: int, in_channels: int, out_channels: int) -> Part:
    """One operator of a cell whose input is at 1/`scale`."""
    return Part("cell", operator, stride, scale, in_channels, 0, out_channels)


def refinement_part(space: SpaceSettings, scale: int, detail_channels: int) -> Part:
    """The decoder's step from 1/(2 `scale`) to 1/`scale`; the coarse feature and the result have the head's width."""
    coarse, out = (channels(space.base_width, s, space.head_twelfths) for s in (2 * scale, scale))
    return Part("refine", "", 1, 2 * scale, coarse, detail_channels, out)


def prediction_part(space: SpaceSettings, branches: int, classes: int) -> Part:
    """Fusion of the branches' features at 1/8, main head, and upsampling of the logits to the image's size."""
    return Part("predict", "", 1, 8, branches * channels(space.base_width, 8, space.head_twelfths), 0, classes)


def list_space_parts(space: SpaceSettings, classes: int) -> list[Part]:
    """Every part that derived networks of the space can have, each once, finer scales first.

    Skips of stride 1 are not listed, because derivation removes them.
    """
    cells, refinements = [], []
    for layer in range(space.layers):
        for scale in scales_at(layer):
            incoming = channel_choices(space, layer, scale)
            for stride in (1, 2):
                if stride == 2 and (scale == 32 or layer == space.layers - 1):
                    continue
                outgoing = channel_choices(space, layer + 1, scale * stride)
                if layer == 0 and stride == 1:  # pruning may leave only this cell of a branch to 1/8
                    outgoing += channel_choices(space, space.layers, scale)
                operators = [name for name in space.operators if not (name == "skip" and stride == 1)]
                cells += [cell_part(o, stride, scale, i, j) for o in operators for i in incoming for j in outgoing]
                if stride == 2:
                    refinements += [refinement_part(space, scale, count) for count in incoming]
    predictions = [prediction_part(space, branches, classes) for branches in BRANCH_COUNTS]
    return list(dict.fromkeys([stem_part(space), *cells, *refinements, *predictions]))


def list_genotype_parts(genotype: Genotype, space: SpaceSettings, classes: int) -> list[Part]:
    """The parts that a derived network runs in one forward pass; shared cells are listed once."""
    parts, fused = [stem_part(space)], 0
    for index, branch in enumerate(genotype.branches):
        first = 0 if index == 0 else genotype.shared_prefix()
        parts += _cell_parts(branch, space, first)
        pairs = cell_channels(branch, space)
        details = {cell.scale: pair[0] for cell, pair in zip(branch.cells, pairs, strict=True) if cell.stride == 2}
        count = pairs[-1][1]
        for scale in sorted(details, reverse=True):
            out = channels(space.base_width, scale, space.head_twelfths)
            parts.append(Part("refine", "", 1, 2 * scale, count, details[scale], out))
            count = out
        fused += count
    return [*parts, Part("predict", "", 1, 8, fused, 0, classes)]


def _cell_parts(branch: Branch, space: SpaceSettings, first: int) -> list[Part]:
    cells = list(zip(branch.cells, cell_channels(branch, space), strict=True))[first:]
    return [
        cell_part(cell.operator, cell.stride, cell.scale, *pair)
        for cell, pair in cells
        if not (cell.operator == "skip" and cell.stride == 1)
    ]


def build_part(part: Part, space: SpaceSettings, size: tuple[int, int]) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Build a derived network's module for `part`, in evaluation mode, and its inputs of batch size 1.

    Args:
        part: from `list_space_parts` or `list_genotype_parts`.
        space: gives the channels inside the stem.
        size: height and width of the image in pixels.
    """
    generator = torch.Generator().manual_seed(0)

    def feature(count: int, scale: int) -> Tensor:
        shape = size if scale == 1 else feature_size(size, scale)
        return torch.rand(1, count, *shape, generator=generator)

    inputs = [feature(part.in_channels, part.scale)]
    match part.part:
        case "stem":
            module: nn.Module = PaddedStem(space)
        case "cell":
            module = build_derived_operator(part.operator, part.in_channels, part.out_channels, part.stride)
        case "refine":
            module = Refine(part.in_channels, part.detail_channels, part.out_channels)
            inputs.append(feature(part.detail_channels, part.scale // 2))
        case "predict":
            module = FullSizeHead(part.in_channels, part.out_channels, size)
            branch = channels(space.base_width, 8, space.head_twelfths)
            inputs = [feature(branch, 8) for _ in range(part.in_channels // branch)]
        case _:
            raise ValueError(f"no part is called {part.part!r}")
    return module.eval(), tuple(inputs)


class PaddedStem(nn.Module):
    """The stem, including the padding of the image to a multiple of 32."""

    def __init__(self, space: SpaceSettings):
        super().__init__()
        self.stem = Stem(space)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, c, h, w) at 1/8 of the padded image."""
        return self.stem(pad_images(images))


class FullSizeHead(nn.Module):
    """From the branches' features at 1/8 to logits of the image's size: fusion, main head, cropping, upsampling.

    Args:
        in_channels: channels of all branches together.
        classes: number of classes C.
        size: height and width of the image in pixels.
    """

    def __init__(self, in_channels: int, classes: int, size: tuple[int, int]):
        super().__init__()
        self.prediction, self.size = FusionHead(in_channels, classes), size

    def forward(self, *branches: Tensor) -> Tensor:
        """Features of the branches (B, c, h, w) at 1/8 of the padded image -> logits (B, C, H, W)."""
        return enlarge_logits(crop_logits(self.prediction(*branches), self.size, 8), self.size, 8)
