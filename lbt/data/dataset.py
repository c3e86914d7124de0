"""PyTorch data sets: decoded images and masks by index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from lbt.config import DataSettings
from lbt.data.classes import ClassTable
from lbt.data.images import read_image
from lbt.data.masks import read_pair
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
    return _channels_first(read_image(path, data.max_pixels))


class ImageDataset(Dataset[tuple[Tensor, ...]]):
    """Images without labels.

    Items are tuples of one `tv_tensors.Image`, uint8 of shape (3, H, W).
    """

    def __init__(self, samples: Sequence[Sample], data: DataSettings) -> None:
        self.samples, self.data, self.root = list(samples), data, Path(data.root)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return (self.image(index),)

    def image(self, index: int) -> tv_tensors.Image:
        """Decode one image."""
        return tv_tensors.Image(decode_image(self.root / self.samples[index].image, self.data))


class SegmentationDataset(ImageDataset):
    """Images with their labels.

    Items are pairs of `tv_tensors.Image`, uint8 of shape (3, H, W), and `tv_tensors.Mask`, uint8 of shape (H, W) with
    class indices and `IGNORE`. Decoding raises LbtError for a damaged file or a mask of another size than its image.
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
        return tv_tensors.Image(_channels_first(pixels)), tv_tensors.Mask(torch.from_numpy(label))


def _channels_first(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
