"""Losses of segmentation networks.

Each loss is that of the whole batch of all processes; each process passes its own rows (see `lbt.runtime.distributed`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.data.classes import IGNORE
from lbt.runtime.distributed import Group
from lbt.space.padding import upsample
from lbt.training.cross_entropy import cross_entropy


def ohem_cross_entropy(
    logits: Tensor, labels: Tensor, processes: Group, threshold: float = 0.7, min_kept_fraction: float = 1 / 16
) -> Tensor:
    """Cross-entropy of the hard pixels (online hard example mining; Shrivastava et al., CVPR 2016).

    A valid pixel is hard if its true class has a probability below `threshold`. At least the hardest
    `min_kept_fraction` of the valid pixels are kept.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W) int64, `IGNORE` for a pixel that does not count.
        processes: the processes that share the batch.
        threshold: probability in [0, 1]; 1 keeps every pixel that is not certain.
        min_kept_fraction: in [0, 1].

    Returns:
        Mean over the kept pixels, a scalar; zero, still differentiable, if no pixel is valid.
    """
    valid = labels != IGNORE
    losses = cross_entropy(logits, labels.masked_fill(~valid, 0)).masked_fill(~valid, 0)
    probability = torch.exp(-losses.detach()).masked_fill(~valid, torch.inf).flatten()
    hard = probability < threshold
    least = (processes.reduce_loss(valid.sum()) * min_kept_fraction).long()
    few = processes.reduce_loss(hard.sum()) < least
    # A GPU decides by itself, because the host would wait for these counts; a CPU knows them and saves the selection.
    most = math.ceil(processes.size * probability.numel() * min_kept_fraction)  # of all pixels; bounds `least`
    if most > 0 and (few.is_cuda or bool(few)):
        smallest = probability.topk(min(most, probability.numel()), largest=False, sorted=processes.size == 1).values
        if processes.size > 1:
            smallest = processes.all_gather(smallest).topk(most, largest=False).values
        hardest = smallest.gather(0, (least - 1).clamp(0, most - 1).view(1))
        hard = torch.where(few, probability <= hardest, hard)
    kept = processes.reduce_loss(hard.sum())
    return processes.reduce_loss((losses.flatten() * hard).sum()) / kept.clamp(min=1)


def distillation_loss(logits: Tensor, guide_logits: Tensor, processes: Group) -> Tensor:
    """Divergence KL(guide || network) of the predicted classes: sum over classes, mean over all pixels of the batch.

    Pixels without a label count as well, because the guide predicts them too. The release also averages over the
    classes, so its weight of 1 is 1 / C here.

    Args:
        logits: the network's, (B, C, H, W).
        guide_logits: the guide's, (B, C, H, W).
        processes: the processes that share the batch.
    """
    divergence = F.kl_div(logits.log_softmax(1), guide_logits.log_softmax(1), reduction="none", log_target=True)
    return processes.reduce_loss(divergence.sum(dim=1).mean()) / processes.size


def supernet_loss(outputs: Sequence[Tensor], labels: Tensor, processes: Group) -> Tensor:
    """Sum of the OHEM cross-entropies of a supernet's five predictions, with equal weights as in the released code.

    Args:
        outputs: logits (B, C, h, w); each is upsampled to the labels' size.
        labels: (B, H, W) int64.
        processes: the processes that share the batch.
    """
    size = (labels.shape[-2], labels.shape[-1])
    first, *others = (ohem_cross_entropy(upsample(logits, size), labels, processes) for logits in outputs)
    return sum(others, start=first)
