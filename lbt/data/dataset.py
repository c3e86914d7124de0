"""PyTorch data sets: decoded images and masks by index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lbt.config import DataSettings
from lbt.data.classes import ClassTable
from lbt.data.images import read_image
from lbt.data.masks import read_label, read_pair
from lbt.data.sample import Sample
from lbt.errors import LbtError


class Items(Protocol):
    """Any data set whose items are an image and targets that `lbt.data.augment` can handle."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Tensor, ...]: ...


def decode_image(path: Path | str, data: DataSettings) -> Tensor:
    """Decode an image of the data set to a uint8 tensor of shape (3, H, W).

    Raises:
        LbtError: see `lbt.data.images.read_image`.
    """
    return _channels_first(read_image(path, data.max_pixels)).contiguous()


class ImageDataset(Dataset[tuple[Tensor, ...]]):
    """Images without labels.

    Items are tuples of one image, uint8 of shape (3, H, W). Its strides are those of the decoder, which keeps the three
    values of a pixel side by side.
    """

    def __init__(self, samples: Sequence[Sample], data: DataSettings) -> None:
        self.samples, self.data, self.root = list(samples), data, Path(data.root)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return (self.image(index),)

    def image(self, index: int) -> Tensor:
        """Decode one image."""
        return _channels_first(read_image(self.root / self.samples[index].image, self.data.max_pixels))


class SegmentationDataset(ImageDataset):
    """Images with their labels.

    Items are pairs of an image, as in `ImageDataset`, and its mask, uint8 of shape (H, W) with class indices and
    `IGNORE`. Decoding raises LbtError for a damaged file or a mask of another size than its image.
    """

    def __init__(self, samples: Sequence[Sample], data: DataSettings, table: ClassTable) -> None:
        super().__init__(samples, data)
        self.table = table
        self._masks: list[Path] = []
        for sample in self.samples:
            if sample.label is None:
                raise LbtError(f"{sample.image}: is an unlabelled image and cannot be used with a label.")
            self._masks.append(self.root / sample.label)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.root / self.samples[index].image
        pixels, label = read_pair(image, self._masks[index], self.data, self.table)
        return _channels_first(pixels), torch.from_numpy(label)

    def label(self, index: int) -> Tensor:
        """Decode one mask; of its image only the header is read."""
        image = self.root / self.samples[index].image
        return torch.from_numpy(read_label(image, self._masks[index], self.data, self.table))


def _channels_first(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)
