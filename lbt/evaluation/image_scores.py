"""Scores of single images: which ones a network segments worst and best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from lbt.evaluation.scores import count_pairs, drop_ignored, intersection_over_union
from lbt.space.class_map import class_map

EXTREMES = 3
"""Most pictures of the worst images, and of the best ones."""


def count_each(
    predict: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, ...]],
    num_classes: int,
    device: torch.device,
) -> Tensor:
    """Confusion of true and predicted classes of every image.

    Args:
        predict: from images (B, 3, H, W) to logits (B, C, ceil(H / s), ceil(W / s)) at a stride s; 1 is fine, too.
        batches: images, and labels (B, H, W) with `IGNORE` for pixels that do not count.
        num_classes: C.
        device: the device on which `predict` runs.

    Returns:
        Counts (N, C, C) int64 on the CPU, in the order of the images. Their sum is the confusion of the data set.
    """
    counts = []
    with torch.no_grad():
        for images, labels in batches:
            predicted = class_map(predict(images.to(device)), (labels.shape[-2], labels.shape[-1]))
            for one, truth in zip(predicted, labels.to(device), strict=True):
                counts.append(drop_ignored(count_pairs(truth, one, num_classes)))
    return torch.stack(counts)


def image_mious(confusions: Tensor) -> list[float]:
    """mIoU in [0, 1] of each image over the classes that its ground truth shows; NaN without a labelled pixel.

    Args:
        confusions: counts (N, C, C).
    """
    return [float(intersection_over_union(counts).nanmean()) for counts in confusions]


def find_extremes(mious: Sequence[float], count: int) -> list[int]:
    """Indices of the `count` worst images and of as many best ones, at most `EXTREMES` each, in ascending order.

    Of equal images the first ones are taken. Images without a score are neither.
    """
    count = min(count, EXTREMES)
    scored = [index for index, miou in enumerate(mious) if miou == miou]
    worst = sorted(scored, key=lambda index: mious[index])[:count]
    best = sorted(scored, key=lambda index: -mious[index])[:count]
    return sorted({*worst, *best})
