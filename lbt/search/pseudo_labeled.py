"""Unlabelled images together with the teacher's predictions of a round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchvision import tv_tensors

from lbt.data.dataset import ImageDataset
from lbt.data.layouts import Sample
from lbt.errors import LbtError
from lbt.search.pseudo_labels import PseudoLabels


class PseudoLabeledDataset(ImageDataset):
    """Items are an image, uint8 (3, H, W), and its soft labels, float32 (C, h, w) at the teacher's output stride.

    Raises:
        LbtError: an image has no prediction in the shards.
    """

    def __init__(self, samples: Sequence[Sample], root: Path | str, labels: PseudoLabels) -> None:
        super().__init__(samples, root)
        self.labels = labels
        missing = [sample.id for sample in self.samples if sample.id not in labels]
        if missing:
            raise LbtError(
                f"{len(missing)} of {len(self.samples)} unlabelled images stand in no shard, first {missing[0]}. "
                "Delete the round's folder pseudo_labels and label again."
            )

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, Tensor]:
        (image,) = super().__getitem__(index)
        return image, torch.from_numpy(self.labels.probability(self.samples[index].id))
