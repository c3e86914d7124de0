"""Scores of predictions: confusion of classes, intersection over union, pixel accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from lbt.data.classes import IGNORE, ClassTable
from lbt.runtime.progress import Progress
from lbt.space.class_map import class_map


def intersection_over_union(confusion: Tensor) -> Tensor:
    """Intersection over union by class.

    Args:
        confusion: counts (C, C); rows are the true class, columns the predicted one.

    Returns:
        (C,) float64 in [0, 1]; NaN for a class without a true pixel, even if it was predicted.
    """
    counts = confusion.double()
    hit, true, predicted = counts.diagonal(), counts.sum(dim=1), counts.sum(dim=0)
    return torch.where(true > 0, hit / (true + predicted - hit), torch.nan)


def scores(confusion: Tensor, classes: ClassTable) -> dict[str, Any]:
    """Mean and per-class intersection over union (None for an absent class), pixel accuracy, and the confusion."""
    iou = intersection_over_union(confusion)
    return {
        "miou": float(iou.nanmean()),
        "pixel_accuracy": float(confusion.diagonal().sum() / confusion.sum()),
        "iou": {name: None if v.isnan() else float(v) for name, v in zip(classes.names, iou, strict=True)},
        "confusion": confusion.tolist(),
    }


def count_confusion(
    predict: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, ...]],
    num_classes: int,
    device: torch.device,
) -> Tensor:
    """Confusion of true and predicted classes over the labelled pixels of all batches.

    Args:
        predict: from images (B, 3, H, W) to logits (B, C, ceil(H / s), ceil(W / s)) at a stride s; 1 is fine, too.
        batches: images, and labels (B, H, W) with `IGNORE` for pixels that do not count.
        num_classes: C.
        device: the device on which `predict` runs.

    Returns:
        Counts (C, C) int64 on the CPU.

    Raises:
        ValueError: a label is neither a class nor `IGNORE`.
    """
    counts = torch.zeros(IGNORE + 1, num_classes, dtype=torch.int64, device=device)
    with torch.no_grad():
        for images, labels in batches:
            predicted = class_map(predict(images.to(device)), (labels.shape[-2], labels.shape[-1]))
            counts += count_pairs(labels.to(device), predicted, num_classes)
    return drop_ignored(counts)


def count_pairs(labels: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """Counts (IGNORE + 1, C) of pairs of a label and a predicted class.

    Ignored pixels have a row of their own, because selecting the others would take longer than counting.
    """
    pairs = labels.mul(num_classes).add_(predicted)
    return torch.bincount(pairs.flatten(), minlength=(IGNORE + 1) * num_classes).view(IGNORE + 1, num_classes)


def drop_ignored(counts: Tensor) -> Tensor:
    """The rows of the classes, (C, C) on the CPU, of the sum of `count_pairs`.

    Raises:
        ValueError: a label is neither a class nor `IGNORE`.
    """
    num_classes = counts.shape[1]
    if counts[num_classes:IGNORE].any():
        raise ValueError(f"a label is above {num_classes - 1}, the last class, and not {IGNORE}")
    return counts[:num_classes].cpu()


def count_progress(batches: Iterable[tuple[Tensor, ...]], progress: Progress) -> Iterator[tuple[Tensor, ...]]:
    """Pass batches through and advance `progress` by one for each image."""
    for batch in batches:
        yield batch
        for _ in range(len(batch[0])):
            progress.advance()
