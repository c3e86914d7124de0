"""What training, scoring and timing need of a network, whatever built it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lbt.space.padding import enlarge_logits


class TrainableNetwork(nn.Module, ABC):
    """A network whose first head predicts; the others exist in training only.

    Attributes:
        stride: s of the first head.
        auxiliary: the heads that only training uses. Inference does not need their parameters.
    """

    stride: int
    auxiliary: nn.ModuleDict

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) with H and W of 32 or more -> logits (B, C, H, W) of the first head."""
        return enlarge_logits(self.main_logits(images), (images.shape[-2], images.shape[-1]), self.stride)

    @abstractmethod
    def main_logits(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) with H and W of 32 or more -> logits (B, C, ceil(H / s), ceil(W / s)) of the first head."""

    @abstractmethod
    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits of all heads, the first one's first, each (B, C, ceil(H / s), ceil(W / s)) at its stride s."""
