"""The loss of a derived network: a loss of pixels at each of its heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from lbt.config.retrain import BALANCED_LOSSES, GuideTraining
from lbt.data.class_pixels import ClassPixels
from lbt.data.classes import IGNORE
from lbt.errors import LbtError
from lbt.runtime.distributed import Group
from lbt.space.padding import find_stride, upsample
from lbt.training.class_weights import enet_weights, median_frequency_weights
from lbt.training.cross_entropy import cross_entropy
from lbt.training.losses import ohem_cross_entropy

PixelLoss = Callable[[Tensor, Tensor], Tensor]
"""From logits (B, C, H, W) and labels (B, H, W) int64 to the mean over pixels, a scalar."""


def weighted_cross_entropy(logits: Tensor, labels: Tensor, processes: Group, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy, averaged over the labelled pixels of all processes with the weights of their classes.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W) int64, `IGNORE` for a pixel that does not count.
        processes: the processes that share the batch.
        weights: of each class, (C,); None weights all equally.

    Returns:
        A scalar; zero, still differentiable, if no pixel is labelled.
    """
    valid = labels != IGNORE
    classes = labels.masked_fill(~valid, 0)
    counts = valid.to(logits.dtype) if weights is None else weights.to(logits)[classes] * valid
    losses = cross_entropy(logits, classes)
    return processes.reduce_loss((losses * counts).sum()) / processes.reduce_loss(counts.sum()).clamp(min=1e-12)


def pixel_loss(retrain: GuideTraining, counted: ClassPixels | None, processes: Group) -> PixelLoss:
    """The loss that `retrain.loss` names.

    Args:
        retrain: the settings.
        counted: training pixels of each class, which the losses of `BALANCED_LOSSES` need.
        processes: the processes that share the batch.

    Raises:
        LbtError: the counts are missing, or given to a loss that does not need them.
    """
    name = retrain.loss
    if (name in BALANCED_LOSSES) != (counted is not None):
        raise LbtError(
            f"retrain.loss is {name}, but retraining was started with{'' if counted else 'out'} the input "
            f"class_pixels. Give this input only with {' or '.join(BALANCED_LOSSES)}."
        )
    if name == "ohem":
        return partial(ohem_cross_entropy, processes=processes)
    weights = None
    if counted is not None:
        weights = enet_weights(counted, retrain.enet_offset) if name == "enet" else median_frequency_weights(counted)
    return partial(weighted_cross_entropy, processes=processes, weights=weights)


def retraining_loss(
    outputs: Sequence[Tensor], labels: Tensor, loss: PixelLoss, auxiliary_weight: float, *, upsampled: bool
) -> Tensor:
    """The loss of the main head plus `auxiliary_weight` times the sum of those of the others.

    Args:
        outputs: logits (B, C, h, w), those of the main head first; these are upsampled to the labels' size.
        labels: (B, H, W) int64.
        loss: of one head.
        auxiliary_weight: at least 0; at 0 the other heads are not read.
        upsampled: whether the other logits are upsampled too. Otherwise each is compared with one label.
    """
    size = (labels.shape[-2], labels.shape[-1])
    main, *others = outputs
    total = loss(upsample(main, size), labels)
    for logits in others if auxiliary_weight else ():
        if upsampled:
            part = loss(upsample(logits, size), labels)
        else:
            part = loss(logits, sample_labels(labels, (logits.shape[-2], logits.shape[-1])))
        total = total + auxiliary_weight * part
    return total


def sample_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """The label at the centre of the pixels of each logit.

    Args:
        labels: (B, H, W).
        size: (h, w) of the logits, whose stride s must fit, as in `upsample`.

    Returns:
        (B, h, w); at (i, j) the label of pixel (s i + s / 2, s j + s / 2), or of the last one of its row or column.
    """
    height, width = labels.shape[-2:]
    stride = find_stride(size, (height, width))
    rows, columns = (
        (torch.arange(count, device=labels.device) * stride + stride // 2).clamp(max=side - 1)
        for count, side in zip(size, (height, width), strict=True)
    )
    return labels[:, rows[:, None], columns]
