"""A network in float32 and in bfloat16 on the same images: the share of pixels that have the same label."""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.network.fold_batch_norm import fold_batch_norm
from lbt.network.trainable import TrainableNetwork
from lbt.space.class_map import class_map


class BothPrecisions:
    """Predicts by a network, and counts the pixels to which its bfloat16 form gives the same label.

    Args:
        network: in evaluation mode, in float32.
    """

    def __init__(self, network: TrainableNetwork) -> None:
        self.network, self.short = network, fold_batch_norm(network).to(torch.bfloat16)
        self.equal = self.pixels = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> logits (B, C, ceil(H / s), ceil(W / s)) in float32 at the stride."""
        logits, size = self.network.main_logits(images), (images.shape[-2], images.shape[-1])
        same = class_map(logits, size) == class_map(self.short.main_logits(images.bfloat16()), size)
        self.equal, self.pixels = self.equal + int(same.sum()), self.pixels + same.numel()
        return logits

    @property
    def equal_labels(self) -> float:
        """The share of equal labels among all pixels so far, 0 to 1."""
        return self.equal / self.pixels
