"""From a teacher's probabilities to what a student learns: soft or hard targets and a weight for each pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.config import PseudoLabelSettings
from lbt.runtime.distributed import group


def targets(probability: Tensor, settings: PseudoLabelSettings) -> tuple[Tensor, Tensor]:
    """Targets and weights of pixels.

    Args:
        probability: (B, C, H, W); 0 in all classes where a pixel lies outside its image.
        settings: kind of targets, threshold, weighting.

    Returns:
        Targets (B, C, H, W): the probabilities, or 1 for the most probable class and 0 for all others. Weights
        (B, H, W) that sum to 1 over the batches of all processes, or are all 0 where no pixel counts.
    """
    confidence = probability.amax(dim=1)
    counts = (confidence > 0) & (confidence >= settings.threshold)
    weight = confidence * counts if settings.weighting == "confidence" else counts.to(probability.dtype)
    weight = weight / group().reduce_loss(weight.sum()).clamp(min=torch.finfo(weight.dtype).tiny)
    if settings.targets == "hard":
        hard = F.one_hot(probability.argmax(dim=1), probability.shape[1]).movedim(-1, 1)
        return hard.to(probability.dtype), weight
    return probability, weight


def weighted_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """- sum over pixels of weight * sum_c target_c log softmax(logits)_c.

    Args:
        logits, target: (B, C, H, W).
        weight: (B, H, W).
    """
    return group().reduce_loss(-(weight * (target * logits.log_softmax(dim=1)).sum(dim=1)).sum())
