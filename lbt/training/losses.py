"""Losses of segmentation networks.

A loss is that of the whole batch of all processes of a job, of which each gives its own rows (see
`lbt.runtime.distributed`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.data.classes import IGNORE
from lbt.runtime.distributed import Group, group
from lbt.space.padding import upsample
from lbt.training.cross_entropy import cross_entropy


def ohem_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    threshold: float = 0.7,
    min_kept_fraction: float = 1 / 16,
    *,
    among: Group | None = None,
) -> Tensor:
    """Cross-entropy of the hard pixels (online hard example mining; Shrivastava et al., CVPR 2016).

    Hard are the valid pixels whose true class has a probability below `threshold`, and at least the hardest
    `min_kept_fraction` of the valid pixels.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W) int64, `IGNORE` where a pixel does not count.
        threshold: probability in [0, 1]; 1 keeps every pixel that is not certain.
        min_kept_fraction: in [0, 1].
        among: the processes that hold the batch; None means all of the job.

    Returns:
        Mean over the kept pixels, a scalar; zero, still differentiable, if no pixel is valid.
    """
    among = among or group()
    valid = labels != IGNORE
    losses = cross_entropy(logits, labels.masked_fill(~valid, 0)).masked_fill(~valid, 0)
    probability = torch.exp(-losses.detach()).masked_fill(~valid, torch.inf).flatten()
    hard = probability < threshold
    wanted = int(among.reduce_loss(valid.sum()) * min_kept_fraction)
    kept = among.reduce_loss(hard.sum())
    if int(kept) < wanted:
        hard = probability <= among.all_gather(probability).kthvalue(wanted).values
        kept = among.reduce_loss(hard.sum())
    return among.reduce_loss((losses.flatten() * hard).sum()) / kept.clamp(min=1)


def segmentation_loss(
    outputs: Sequence[Tensor], labels: Tensor, auxiliary_weight: float, *, among: Group | None = None
) -> Tensor:
    """OHEM cross-entropy of the main output plus `auxiliary_weight` times the sum of that of the others.

    Args:
        outputs: logits (B, C, h, w), main one first; each is upsampled to the labels' size.
        labels: (B, H, W) int64.
        auxiliary_weight: at least 0; at 0 the other outputs are not looked at.
        among: as in `ohem_cross_entropy`.
    """
    size = (labels.shape[-2], labels.shape[-1])
    main, *others = outputs
    loss = ohem_cross_entropy(upsample(main, size), labels, among=among)
    if auxiliary_weight:
        for logits in others:
            loss = loss + auxiliary_weight * ohem_cross_entropy(upsample(logits, size), labels, among=among)
    return loss


def distillation_loss(logits: Tensor, guide_logits: Tensor) -> Tensor:
    """Divergence KL(guide || network) of the predicted classes: sum over classes, mean over all pixels of the batch.

    Pixels that carry no label count as well: the guide has an opinion on them. (The release averages over the classes
    too, so its weight of 1 is 1 / C here.)

    Args:
        logits: the network's, (B, C, H, W).
        guide_logits: the guide's, (B, C, H, W).
    """
    divergence = F.kl_div(logits.log_softmax(1), guide_logits.log_softmax(1), reduction="none", log_target=True)
    among = group()
    return among.reduce_loss(divergence.sum(dim=1).mean()) / among.size


def supernet_loss(outputs: Sequence[Tensor], labels: Tensor, *, among: Group | None = None) -> Tensor:
    """Sum of the OHEM cross-entropies of a supernet's five predictions, which count alike as in the released code."""
    return segmentation_loss(outputs, labels, auxiliary_weight=1.0, among=among)
