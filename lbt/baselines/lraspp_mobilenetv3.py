"""LR-ASPP with MobileNetV3-Large (Howard et al., Searching for MobileNetV3, ICCV 2019), as torchvision builds it."""

from __future__ import annotations

from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from lbt.baselines.torchvision_network import TorchvisionNetwork


def build(classes: int, base_width: int = 0) -> TorchvisionNetwork:
    """The network at torchvision's size, whatever the width of the run; its logits have stride 8."""
    return TorchvisionNetwork(
        lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes), stride=8
    )
