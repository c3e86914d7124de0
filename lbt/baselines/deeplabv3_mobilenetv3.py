"""DeepLabV3 (Chen et al., Rethinking Atrous Convolution, 2017) with MobileNetV3-Large, as torchvision builds it."""

from __future__ import annotations

from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

from lbt.baselines.torchvision_network import TorchvisionNetwork


def build(classes: int, base_width: int = 0) -> TorchvisionNetwork:
    """The network at torchvision's size, whatever the width of the run; its logits have stride 16.

    Training also has torchvision's further head, at 1/8.
    """
    model = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=classes, aux_loss=True)
    network = TorchvisionNetwork(model, stride=16, inputs="out")
    network.add_auxiliary("aux", model.aux_classifier, stride=8)
    return network
