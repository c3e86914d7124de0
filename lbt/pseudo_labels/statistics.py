"""Pixel counts of labelled images by class and confidence, and the shares and means that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

LEVELS = 256
"""Number of values of a stored confidence, which is a probability times 255."""


@dataclass
class Counts:
    """Sums over images, which can be added.

    Attributes:
        confidence: (C, 256) int64, pixels by class and stored confidence.
        changed: (C,) int64, compared pixels that had another class in the previous round.
        compared: (C,) int64, pixels that the previous round labelled too, by their class in this round.
        gained: (C,) float64, sum of the increase in confidence (from 0 to 1) over the compared pixels.
        confusion: (C, C) int64, pixels by true class and label; 0 without true labels.
        images: (3,) number of images, of those that the previous round labelled too, and of those with a true label.
    """

    confidence: np.ndarray
    changed: np.ndarray
    compared: np.ndarray
    gained: np.ndarray
    confusion: np.ndarray
    images: np.ndarray = field(default_factory=lambda: np.array([1, 0, 0]))

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def count_image(
    label: np.ndarray,
    confidence: np.ndarray,
    classes: int,
    before: tuple[np.ndarray, np.ndarray] | None = None,
    truth: np.ndarray | None = None,
) -> Counts:
    """Count the pixels of an image.

    Args:
        label: class indices (H, W) uint8, each below `classes`.
        confidence: (H, W) uint8, 0 to 255.
        classes: number of classes C.
        before: label and confidence of the same image in the previous round.
        truth: true class indices (H, W); other values are not counted.
    """
    flat = label.ravel()
    pairs = flat.astype(np.int64) * LEVELS + confidence.ravel()
    counts = Counts(
        confidence=np.bincount(pairs, minlength=classes * LEVELS).reshape(classes, LEVELS),
        changed=np.zeros(classes, np.int64),
        compared=np.zeros(classes, np.int64),
        gained=np.zeros(classes),
        confusion=np.zeros((classes, classes), np.int64),
    )
    if before is not None:
        counts.compared = np.bincount(flat, minlength=classes)
        counts.changed = np.bincount(flat[flat != before[0].ravel()], minlength=classes)
        gain = confidence.ravel().astype(np.int64) - before[1].ravel()
        counts.gained = np.bincount(flat, weights=gain / 255, minlength=classes)
        counts.images[1] = 1
    if truth is not None:
        known = truth.ravel() < classes
        pairs = truth.ravel()[known].astype(np.int64) * classes + flat[known]
        counts.confusion = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        counts.images[2] = int(known.any())
    return counts


def shares(counts: Counts) -> np.ndarray:
    """Share (C,) float64 of each class in the pixels."""
    pixels = counts.confidence.sum(axis=1)
    return pixels / pixels.sum()


def mean_confidence(histogram: np.ndarray) -> float:
    """Mean confidence, 0 to 1, of a histogram (256,); NaN without a pixel."""
    total = histogram.sum()
    return float(histogram @ np.arange(LEVELS) / (255 * total)) if total else np.nan


def quantile(histogram: np.ndarray, share: float) -> float:
    """Least confidence, 0 to 1, that at least a `share` of the pixels do not exceed; NaN without a pixel."""
    total = histogram.sum()
    return float(np.searchsorted(histogram.cumsum(), share * total) / 255) if total else np.nan
