"""A segmentation network of torchvision as a baseline: its own modules, between our padding and our upsampling."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.segmentation import LRASPP, DeepLabV3

from lbt.baselines.baseline import Baseline


class TorchvisionNetwork(Baseline):
    """Backbone and classifier of a network of torchvision.

    It computes what torchvision's does on images whose sides are multiples of 32. On others torchvision stretches the
    logits to the image; here each logit stays on its own pixels, as in a derived network. Dropout is left out, because
    no network of a run has any.

    Args:
        model: with a backbone that gives features by name.
        stride: of the classifier's logits.
        inputs: name of the feature that the classifier reads; None: all features.
    """

    backbone: nn.Module
    classifier: nn.Module

    def __init__(self, model: DeepLabV3 | LRASPP, stride: int, inputs: str | None = None) -> None:
        super().__init__(stride)
        self.backbone, self.classifier, self.inputs = model.backbone, model.classifier, inputs
        remove_dropout(self)

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """The features that the backbone gives."""
        return self.backbone(images)

    def predict(self, features: dict[str, Tensor]) -> Tensor:
        """Logits at the stride of the classifier."""
        return self.classifier(features if self.inputs is None else features[self.inputs])


def remove_dropout(module: nn.Module) -> None:
    """Replace every dropout by nothing, in place; it has no weights, so no name changes."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, nn.Identity())
        else:
            remove_dropout(child)
