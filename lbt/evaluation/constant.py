"""The stage that scores a constant prediction, the baseline that every network must beat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbt.config.jobs import DataJob
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.splits import read_split, training_samples
from lbt.evaluation.scores import scores
from lbt.files import write_json
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        scores: receives the scores as JSON.
    """

    split: Path
    scores: Path


def run(settings: DataJob, files: Files, *, log: Path | None = None) -> None:
    """Predict the most frequent class of the training images everywhere, and score it on the held-out images."""
    table = class_table(settings.data)
    train = SegmentationDataset(training_samples(files.split), settings.data, table)
    held_out = SegmentationDataset(read_split(files.split, "evaluation"), settings.data, table)
    with Progress("evaluate constant", len(train) + len(held_out), log) as progress:
        frequent = int(_pixels(train, table.num_classes, progress).argmax())
        confusion = torch.zeros(table.num_classes, table.num_classes, dtype=torch.int64)
        confusion[:, frequent] = _pixels(held_out, table.num_classes, progress)
    write_json(files.scores, {"class": table.names[frequent], **scores(confusion, table)})


def _pixels(dataset: SegmentationDataset, num_classes: int, progress: Progress) -> Tensor:
    counts = torch.zeros(num_classes, dtype=torch.int64)
    for index in range(len(dataset)):
        _, label = dataset[index]
        counts += torch.bincount(label.as_subclass(Tensor).long().flatten(), minlength=256)[:num_classes]
        progress.advance()
    return counts
