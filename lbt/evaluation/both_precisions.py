"""A network in float32 and in bfloat16 on the same images: the share of pixels that have the same label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.network.fold_batch_norm import fold_batch_norm
from lbt.space.largest_logit import largest_logit


class BothPrecisions:
    """Predicts by a network, and counts the pixels to which its bfloat16 form gives the same label.

    Args:
        network: in evaluation mode, in float32.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network, self.short = network, fold_batch_norm(network).to(torch.bfloat16)
        self.equal = self.pixels = 0

    def __call__(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> logits (B, C, H, W) in float32."""
        logits = self.network(images)
        same = largest_logit(logits) == largest_logit(self.short(images.bfloat16()))
        self.equal, self.pixels = self.equal + int(same.sum()), self.pixels + same.numel()
        return logits

    @property
    def equal_labels(self) -> float:
        """The share of equal labels among all pixels so far, 0 to 1."""
        return self.equal / self.pixels
