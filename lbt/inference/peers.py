"""Networks that were not searched here, with random weights: what a found network is timed beside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.network.genotype import read_genotype
from lbt.network.network import Network

RELEASED = Path(__file__).with_name("fasterseg_arch_1.json")
"""The genotype that the rule of FasterSeg's release derives from its search result arch_1
(github.com/VITA-Group/FasterSeg), with the branches 1/32 and 1/8: 2.66 M parameters, 28.8 G multiply-accumulates at
1024 x 2048 with 19 classes."""


class LogitsOnly(nn.Module):
    """A segmentation network of torchvision that returns its logits, at the size of the images."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H, W)."""
        return self.model(images)["out"]


def build_released_fasterseg(classes: int) -> nn.Module:
    """FasterSeg's released network; see `RELEASED`."""
    space = SpaceSettings(branches="8+32")
    return Network(read_genotype(RELEASED, space), space, classes).eval()


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
