"""The class of each pixel from its logits."""

from __future__ import annotations

from torch import Tensor


def largest_logit(logits: Tensor) -> Tensor:
    """The class with the largest logit, or probability, of each pixel; of equal ones the first.

    The result is that of `argmax`, which takes four times as long on a CPU if the classes are not the last axis.

    Args:
        logits: (B, C, H, W).

    Returns:
        (B, H, W) int64 in 0 ... C - 1.
    """
    return logits.max(dim=1).indices
