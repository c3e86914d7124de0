"""Networks that were not searched here, with random weights: what a found network is timed beside."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.network.genotype import Branch, Cell, Genotype, Stride
from lbt.network.network import Network
from lbt.space.architecture import SCALES, OperatorName, Scale

_RELEASED: dict[Scale, tuple[tuple[int, OperatorName, Stride, int], ...]] = {
    32: (
        (0, "conv_2x", 1, 4),
        (1, "conv_2x", 1, 4),
        (3, "zoom_2x", 1, 4),
        (9, "zoom", 2, 8),
        (10, "zoom_2x", 1, 4),
        (11, "zoom_2x", 1, 4),
        (12, "zoom_2x", 1, 4),
        (13, "zoom_2x", 2, 4),
        (14, "zoom_2x", 1, 4),
        (15, "zoom_2x", 1, 8),
    ),
    8: (
        (0, "conv_2x", 1, 4),
        (1, "conv_2x", 1, 4),
        (3, "zoom_2x", 1, 4),
        (10, "zoom_2x", 1, 4),
        (11, "conv_2x", 1, 4),
        (12, "conv_2x", 1, 4),
        (13, "zoom_2x", 1, 4),
        (14, "conv_2x", 1, 12),
        (15, "zoom_2x", 1, 8),
    ),
}
"""The genotype that the rule of FasterSeg's release derives from its search result arch_1
(github.com/VITA-Group/FasterSeg), with the branches 1/32 and 1/8: 2.66 M parameters, 28.8 G multiply-accumulates at
1024 x 2048 with 19 classes. Scale at which a branch ends -> layer, operator, stride and width in twelfths of its
cells."""


class LogitsOnly(nn.Module):
    """A segmentation network of torchvision that returns its logits, at the size of the images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H, W)."""
        return self.model(images)["out"]


def released_genotype() -> Genotype:
    """The genotype of FasterSeg's released network."""
    branches = []
    for end, rows in _RELEASED.items():
        cells: list[Cell] = []
        scale: Scale = 8
        for layer, operator, stride, width in rows:
            cells.append(Cell(layer, scale, operator, stride, width))
            scale = SCALES[SCALES.index(scale) + stride - 1]
        branches.append(Branch(end, tuple(cells)))
    return Genotype(tuple(branches))


def build_released_fasterseg(classes: int) -> Network:
    """FasterSeg's released network (Chen et al., ICLR 2020)."""
    return Network(released_genotype(), SpaceSettings(branches="8+32"), classes).eval()


def build_lraspp(classes: int) -> nn.Module:
    """LR-ASPP with MobileNetV3-Large (Howard et al., Searching for MobileNetV3, ICCV 2019)."""
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    return LogitsOnly(lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes)).eval()


def build_deeplabv3(classes: int) -> nn.Module:
    """DeepLabV3 (Chen et al., 2017) with MobileNetV3-Large."""
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    return LogitsOnly(deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes)).eval()


PEERS: dict[str, Callable[[int], nn.Module]] = {
    "FasterSeg arch_1": build_released_fasterseg,
    "LR-ASPP-MobileNetV3": build_lraspp,
    "DeepLabV3-MobileNetV3": build_deeplabv3,
}
"""Name -> the network for a number of classes, in evaluation mode."""
