"""The student's loss on the teacher's labels: soft or hard targets, and a weight for each pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.config import PseudoLabelSettings
from lbt.runtime.distributed import Group


def compute_targets_and_weights(
    probability: Tensor, settings: PseudoLabelSettings, processes: Group
) -> tuple[Tensor, Tensor]:
    """Targets and weights of pixels.

    Args:
        probability: (B, C, H, W); 0 in all classes for a pixel outside its image.
        settings: kind of targets, threshold, weighting.
        processes: the processes that share the batch.

    Returns:
        Targets (B, C, H, W): the probabilities, or 1 for the most probable class and 0 for all others. Weights
        (B, H, W), which sum to 1 over the whole batch; all are 0 if no pixel counts.
    """
    confidence = probability.amax(dim=1)
    counts = (confidence > 0) & (confidence >= settings.threshold)
    weight = confidence * counts if settings.weighting == "confidence" else counts.to(probability.dtype)
    weight = weight / processes.reduce_loss(weight.sum()).clamp(min=torch.finfo(weight.dtype).tiny)
    if settings.targets == "hard":
        hard = F.one_hot(probability.argmax(dim=1), probability.shape[1]).movedim(-1, 1)
        return hard.to(probability.dtype), weight
    return probability, weight


def weighted_cross_entropy(logits: Tensor, target: Tensor, weight: Tensor, processes: Group) -> Tensor:
    """- sum over pixels of weight * sum_c target_c log softmax(logits)_c.

    Args:
        logits, target: (B, C, H, W).
        weight: (B, H, W).
        processes: the processes that share the batch.
    """
    return processes.reduce_loss(-(weight * (target * logits.log_softmax(dim=1)).sum(dim=1)).sum())
