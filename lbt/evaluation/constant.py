"""The stage that scores a constant prediction, the baseline that every network must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from lbt.config.jobs import DataJob
from lbt.data.class_pixels import count_class_pixels, read_class_pixels
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.splits import read_split
from lbt.evaluation.scores import scores
from lbt.files import write_json
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table; the held-out images are scored.
        class_pixels: pixels of each class in the training images.
        scores: receives the scores as JSON.
    """

    split: Path
    class_pixels: Path
    scores: Path


def run(settings: DataJob, files: Files, *, log: Path | None = None) -> None:
    """Predict the most frequent class of the training images everywhere, and score it on the held-out images."""
    table = class_table(settings.data)
    frequent = int(read_class_pixels(files.class_pixels, table.names).pixels.argmax())
    held_out = SegmentationDataset(read_split(files.split, "evaluation"), settings.data, table)
    confusion = torch.zeros(table.num_classes, table.num_classes, dtype=torch.int64)
    with Progress("evaluate constant", len(held_out), log) as progress:
        confusion[:, frequent] = count_class_pixels(held_out, progress).pixels
    write_json(files.scores, {"class": table.names[frequent], **scores(confusion, table)})
