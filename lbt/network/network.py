"""The derived network: the discrete network that a genotype describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.network.genotype import Branch, Cell, Genotype, cell_channels
from lbt.network.trainable import TrainableNetwork
from lbt.space.decoder import BranchDecoder, FusionHead, Head, head_channels
from lbt.space.operators import build_derived_operator
from lbt.space.padding import crop_logits, pad_images
from lbt.space.stem import Stem
from lbt.space.widths import channels


class Trunk(nn.Module):
    """A chain of cells that also returns the input of each cell of stride 2, a detail for the decoder."""

    def __init__(self, cells: Sequence[Cell], operators: Sequence[nn.Module]):
        super().__init__()
        self.cells = tuple(cells)
        self.operators = nn.ModuleList(operators)

    def forward(self, x: Tensor, details: dict[int, Tensor]) -> tuple[Tensor, dict[int, Tensor]]:
        """(B, c, H, W) and the details before the chain -> the last cell's output and all details, by scale."""
        details = dict(details)
        for cell, operator in zip(self.cells, self.operators, strict=True):
            if cell.stride == 2:
                details[cell.scale] = x
            x = operator(x)
        return x, details


class Network(TrainableNetwork):
    """Stem, shared cells, branches and their prediction; training adds heads at 1/16 and 1/32.

    State-dict names: `stem`, `shared`, `branches.<scale>`, `decoders.<scale>`, `prediction`, and `auxiliary.<scale>`
    for the heads that only training uses. The scale of a branch is the scale at which it ends.

    Args:
        genotype: the discrete architecture.
        space: gives the base width and the widths of stem and decoder.
        num_classes: number of classes C.

    Raises:
        ValueError: a cell is a skip of stride 1 between features of different channels.
    """

    stride = 8

    def __init__(self, genotype: Genotype, space: SpaceSettings, num_classes: int):
        super().__init__()
        self.genotype, self.stem = genotype, Stem(space)
        prefix = genotype.shared_prefix()
        trunks = [_build_operators(branch, space) for branch in genotype.branches]
        first = genotype.branches[0]
        self.shared = Trunk(first.cells[:prefix], trunks[0][:prefix])
        self.branches, self.decoders = nn.ModuleDict(), nn.ModuleDict()
        out = head_channels(space)
        fused, auxiliary = 0, {16: 0, 32: 0}
        for branch, operators in zip(genotype.branches, trunks, strict=True):
            details = _detail_channels(branch, space)
            last = channels(space.base_width, branch.scale, branch.cells[-1].width_twelfths)
            decoder = BranchDecoder(branch.scale, last, details, out)
            self.branches[str(branch.scale)] = Trunk(branch.cells[prefix:], operators[prefix:])
            self.decoders[str(branch.scale)] = decoder
            fused += decoder.out_channels
            for scale in auxiliary:
                auxiliary[scale] += {**details, branch.scale: last}.get(scale, 0)
        self.prediction = FusionHead(fused, num_classes)
        self.auxiliary = nn.ModuleDict({str(s): Head(count, num_classes) for s, count in auxiliary.items() if count})

    def branch(self, scale: int) -> Trunk:
        """The cells of the branch that ends at 1/`scale`, without the shared cells."""
        return cast(Trunk, self.branches[str(scale)])  # `branches` holds no other type

    def main_logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) with H and W of 32 or more -> logits (B, C, ceil(H / 8), ceil(W / 8))."""
        return self._predict(self.features(images), (images.shape[-2], images.shape[-1]))

    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits at the heads' own strides: main (B, C, ceil(H / 8), ceil(W / 8)), then those at 1/16 and 1/32."""
        size = (images.shape[-2], images.shape[-1])
        features = self.features(images)
        outputs = [self._predict(features, size)]
        for name, head in self.auxiliary.items():
            maps = [{**details, last: x}[int(name)] for last, (x, details) in features.items() if last >= int(name)]
            outputs.append(crop_logits(head(torch.cat(maps, dim=1)), size, int(name)))
        return tuple(outputs)

    def features(self, images: Tensor) -> dict[int, tuple[Tensor, dict[int, Tensor]]]:
        """Each branch's output and details, by the scale at which the branch ends; the shared cells run once."""
        x, details = self.shared(self.stem(pad_images(images)), {})
        return {int(scale): trunk(x, details) for scale, trunk in self.branches.items()}

    def _predict(self, features: dict[int, tuple[Tensor, dict[int, Tensor]]], size: tuple[int, int]) -> Tensor:
        decoded = (self.decoders[str(scale)](x, details) for scale, (x, details) in features.items())
        return crop_logits(self.prediction(*decoded), size, self.stride)


def _build_operators(branch: Branch, space: SpaceSettings) -> list[nn.Module]:
    pairs = zip(branch.cells, cell_channels(branch, space), strict=True)
    return [build_derived_operator(cell.operator, *pair, cell.stride) for cell, pair in pairs]


def _detail_channels(branch: Branch, space: SpaceSettings) -> dict[int, int]:
    pairs = zip(branch.cells, cell_channels(branch, space), strict=True)
    return {cell.scale: count for cell, (count, _) in pairs if cell.stride == 2}
