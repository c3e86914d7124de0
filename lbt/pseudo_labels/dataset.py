"""The images that the teacher labels, and a data set of them with the soft labels of a round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lbt.config import DataSettings
from lbt.data.dataset import ImageDataset
from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.seeding import derive_seed


def count_to_label(ratio: float | None, labelled: int, unlabeled: int) -> int:
    """Number of images that the teacher labels: all, or `ratio` times the number of student_train.

    Raises:
        LbtError: there are fewer images than that.
    """
    if ratio is None:
        return unlabeled
    count = max(1, round(ratio * labelled))
    if count > unlabeled:
        raise LbtError(
            f"search.pseudo_labels.ratio: {ratio:g} times the {labelled} images of student_train are {count}, but "
            f"there are {unlabeled} unlabelled images. Lower the ratio to at most {unlabeled / labelled:.4g}."
        )
    return count


def images_to_label(split: Path, ratio: float | None) -> list[Sample]:
    """The unlabelled images that the teacher labels, sorted by id.

    The images of a smaller ratio are among those of a larger one. All seeds and methods have the same images.

    Raises:
        LbtError: there are no unlabelled images, or fewer than the ratio needs.
    """
    unlabeled = read_split(split, "unlabeled")
    labelled = len(read_split(split, "student_train"))
    count = count_to_label(ratio, labelled, len(unlabeled))
    shuffled = sorted(unlabeled, key=lambda sample: derive_seed("images to label", sample.id))
    return sorted(shuffled[:count])


class PseudoLabeledDataset(ImageDataset):
    """Items are an image, uint8 (3, H, W), and its soft labels, float32 (C, h, w) at the teacher's output stride.

    Args:
        samples: the images.
        data: the data set.
        labels: the shards.
        temperature: of the softmax of the labels; see `temper`.

    Raises:
        LbtError: an image has no prediction in the shards.
    """

    def __init__(
        self, samples: Sequence[Sample], data: DataSettings, labels: PseudoLabels, temperature: float = 1.0
    ) -> None:
        super().__init__(samples, data)
        self.labels, self.temperature = labels, temperature
        missing = [sample.id for sample in self.samples if sample.id not in labels]
        if missing:
            raise LbtError(
                f"{len(missing)} of {len(self.samples)} unlabelled images are in no shard, such as {missing[0]}. "
                "Delete the round's folder pseudo_labels and label again."
            )

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        probability = torch.from_numpy(self.labels.probability(self.samples[index].id))
        return self.image(index), temper(probability, self.temperature)


def temper(probability: Tensor, temperature: float) -> Tensor:
    """softmax(logits / temperature) from softmax(logits).

    Args:
        probability: over classes in dimension 0, (C, h, w); 0 stays 0.
        temperature: above 1 flattens the distribution, below 1 sharpens it.
    """
    if temperature == 1:
        return probability
    # Relative to the largest probability, so that the powers of a small temperature do not all underflow.
    raised = (probability / probability.amax(dim=0, keepdim=True)).pow(1 / temperature)
    return raised / raised.sum(dim=0, keepdim=True)
