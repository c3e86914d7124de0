"""The batches of a round: every stream resumes where the previous round ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbt.config import AugmentationSettings, DataSettings, PseudoLabelSettings, StudentTraining
from lbt.data.classes import ClassTable
from lbt.data.dataset import Items, SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.pseudo_labels.dataset import PseudoLabeledDataset, images_to_label
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.seeding import derive_seed

Batch = tuple[Tensor, Tensor]
"""Images (B, 3, h, w), and their labels (B, h, w) or soft labels (B, C, h, w)."""


@dataclass(frozen=True)
class RoundStreams:
    """The settings that all streams of a round share.

    Attributes:
        seed: seed of the search; each stream derives its own from it and from the stream's name.
        round: the round, from 1.
        split: table of the images' roles.
        classes, data, augmentation: as in `lbt.data.loader.training_loader`.
        device: device of the batches.
        workers: loader processes, which all streams share.
        taken: steps of the round that an earlier run took; the streams start after them.
    """

    seed: int
    round: int
    split: Path
    classes: ClassTable
    data: DataSettings
    augmentation: AugmentationSettings
    device: torch.device
    workers: int
    taken: int = 0

    def labelled(
        self, name: str, role: str, steps: int, batch_size: int, crop: tuple[int, int] | None = None
    ) -> Iterator[Batch]:
        """Images and labels of a role: `steps` batches minus those already taken."""
        dataset = SegmentationDataset(read_split(self.split, role), self.data, self.classes)
        return self._stream(name, dataset, steps, batch_size, crop or self.augmentation.crop)

    def pseudo_labelled(
        self, name: str, steps: int, student: StudentTraining, labels: PseudoLabels, settings: PseudoLabelSettings
    ) -> Iterator[Batch]:
        """Unlabelled images with the teacher's soft labels, at the student's crop, as many as in `labelled`."""
        samples = images_to_label(self.split, settings.ratio)
        dataset = PseudoLabeledDataset(samples, self.data, labels, settings.temperature)
        return self._stream(name, dataset, steps, student.batch_size, student.crop)

    def _stream(self, name: str, dataset: Items, steps: int, batch_size: int, crop: tuple[int, int]) -> Iterator[Batch]:
        # The loader checks this too, but at its first batch, when other networks have already taken a step.
        if batch_size > len(dataset):
            raise LbtError(
                f"{self.split}: {name} has {len(dataset)} images, a batch has {batch_size}. Lower the batch size of "
                "this network (search.batch_size, search.student.batch_size), or change the split or the ratio."
            )
        loader = training_loader(
            dataset,
            data=self.data,
            augmentation=self.augmentation,
            crop=crop,
            batch_size=batch_size,
            seed=derive_seed(self.seed, name),
            steps=steps - self.taken,
            start=(self.round - 1) * steps + self.taken,
            workers=self.workers,
            device=self.device,
        )
        return ((images, targets) for images, targets in loader)
