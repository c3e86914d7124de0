"""What training, scoring and timing need of a network, whatever built it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class TrainableNetwork(nn.Module, ABC):
    """A network whose first head predicts; the others exist in training only.

    Attributes:
        auxiliary: the heads that only training uses. Inference does not need their parameters.
    """

    auxiliary: nn.ModuleDict

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) with H and W of 32 or more -> logits (B, C, H, W) of the first head."""

    @abstractmethod
    def heads(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits of all heads, the first one's first, each (B, C, ceil(H / s), ceil(W / s)) at its stride s."""
