"""The interface of a baseline: features inside, logits at the strides of its heads outside."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from lbt.network.trainable import TrainableNetwork
from lbt.space.padding import crop_logits, pad_images


class Baseline(TrainableNetwork):
    """A network that nobody searched. Images are padded, and logits are cropped, as by a derived network.

    A subclass computes features, and the logits of the head that predicts.

    Args:
        stride: of the head that predicts.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.auxiliary = nn.ModuleDict()
        self.auxiliary_strides: dict[str, int] = {}

    def add_auxiliary(self, name: str, head: nn.Module, stride: int) -> None:
        """Add a head that only training uses; it reads the feature `name`, and its logits have `stride`."""
        self.auxiliary[name], self.auxiliary_strides[name] = head, stride

    def main_logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) with H and W of 32 or more -> logits (B, C, ceil(H / stride), ceil(W / stride))."""
        logits = self.predict(self.features(pad_images(images)))
        return crop_logits(logits, (images.shape[-2], images.shape[-1]), self.stride)

    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits at the heads' own strides: those of `predict`, then those of the heads for training."""
        size = (images.shape[-2], images.shape[-1])
        features = self.features(pad_images(images))
        outputs = [crop_logits(self.predict(features), size, self.stride)]
        for name, head in self.auxiliary.items():
            outputs.append(crop_logits(head(features[name]), size, self.auxiliary_strides[name]))
        return tuple(outputs)

    @abstractmethod
    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Features by name, from images (B, 3, H, W) whose H and W are multiples of 32."""

    @abstractmethod
    def predict(self, features: dict[str, Tensor]) -> Tensor:
        """Logits (B, C, H / stride, W / stride)."""
