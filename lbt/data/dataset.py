"""PyTorch data sets: decoded images and masks by index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from lbt.data.classes import ClassTable
from lbt.data.images import read_image, read_label
from lbt.data.sample import Sample
from lbt.errors import LbtError


class Items(Protocol):
    """Any data set whose items are an image and targets that `lbt.data.augment` can handle."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Tensor, ...]: ...


def decode_image(path: Path | str) -> Tensor:
    """Decode an image to a uint8 tensor of shape (3, H, W).

    Raises:
        LbtError: see `lbt.data.images.read_image`.
    """
    return torch.from_numpy(read_image(path)).permute(2, 0, 1).contiguous()


def decode_label(path: Path | str, table: ClassTable) -> Tensor:
    """Decode a mask to a uint8 tensor of shape (H, W) of class indices and `IGNORE`.

    Raises:
        LbtError: see `lbt.data.images.read_label`.
    """
    return torch.from_numpy(read_label(path, table))


class ImageDataset(Dataset[tuple[Tensor, ...]]):
    """Images without labels.

    Items are tuples of one `tv_tensors.Image`, uint8 of shape (3, H, W).
    """

    def __init__(self, samples: Sequence[Sample], root: Path | str) -> None:
        self.samples, self.root = list(samples), Path(root)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return (self.image(index),)

    def image(self, index: int) -> tv_tensors.Image:
        """Decode one image."""
        return tv_tensors.Image(decode_image(self.root / self.samples[index].image))


class SegmentationDataset(ImageDataset):
    """Images with their labels.

    Items are pairs of `tv_tensors.Image`, uint8 of shape (3, H, W), and `tv_tensors.Mask`, uint8 of shape (H, W) with
    class indices and `IGNORE`. Decoding raises LbtError for a damaged file or a mask of another size than its image.
    """

    def __init__(self, samples: Sequence[Sample], root: Path | str, table: ClassTable) -> None:
        super().__init__(samples, root)
        self.table = table
        self._masks: list[Path] = []
        for sample in self.samples:
            if sample.label is None:
                raise LbtError(f"{sample.image}: is an unlabelled image and cannot be used with a label.")
            self._masks.append(self.root / sample.label)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = self.image(index), self._masks[index]
        label = decode_label(mask, self.table)
        if label.shape != image.shape[1:]:
            raise LbtError(
                f"{mask}: is {label.shape[1]} x {label.shape[0]} pixels (width x height), "
                f"its image {image.shape[2]} x {image.shape[1]}; replace one of them."
            )
        return image, tv_tensors.Mask(label)
