"""Decoded images and masks that a job keeps, so that it decodes each of them once.

The loader processes of a job share the memory, which is that of a file without a name. Linux frees it when the last
process that has it open ends, however that happens.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from lbt.data.dataset import Items
from lbt.errors import LbtError

_HEAD = struct.Struct("=qq")
"""Height and width of an item; zeros before it is decoded."""
_GB = 1e9


def keep_decoded(dataset: Items, place: Literal["none", "memory", "file"], gigabytes: float) -> Items:
    """The same items, of which as many are kept as fit into the given memory.

    Args:
        dataset: pairs of an image, uint8 (3, H, W), and a mask, uint8 (H, W).
        place: `memory`, or `file` for one in the temporary folder; `none` keeps nothing.
        gigabytes: most that is kept.
    """
    if place == "none" or not len(dataset):
        return dataset
    image, mask = dataset[0]
    kept = min(len(dataset), int(gigabytes * _GB) // (_HEAD.size + image.numel() + mask.numel()))
    return KeptItems(dataset, place, kept, image.numel() + mask.numel()) if kept else dataset


class KeptItems:
    """The items of a data set; the first `count` of them are decoded once.

    Args:
        dataset: pairs of an image, uint8 (3, H, W), and a mask, uint8 (H, W).
        place: `memory` or `file`.
        count: number of items to keep.
        size: bytes of an item; one that has more is decoded each time.
    """

    def __init__(self, dataset: Items, place: Literal["memory", "file"], count: int, size: int) -> None:
        self.dataset, self.place, self.count, self.size = dataset, place, count, size
        # Not in the shared memory /dev/shm, which may be small and outlives a process that is killed.
        self._file = os.memfd_create("decoded images") if place == "memory" else _unnamed_file()
        os.ftruncate(self._file, count * self._slot)
        self._path = f"/proc/{os.getpid()}/fd/{self._file}"
        self._map: mmap.mmap | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": -1, "_map": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._file = os.open(self._path, os.O_RDWR)

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            os.close(self._file)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """An item. Only read it, because it may be what is kept."""
        if index >= self.count:
            return self.dataset[index]
        height, width = _HEAD.unpack(os.pread(self._file, _HEAD.size, index * self._slot))
        if height:
            return self._kept(index, height, width)
        image, mask = self.dataset[index]
        if image.numel() + mask.numel() <= self.size:
            self._keep(index, image, mask)
        return image, mask

    @property
    def _slot(self) -> int:
        return _HEAD.size + self.size

    def _kept(self, index: int, height: int, width: int) -> tuple[Tensor, Tensor]:
        if self._map is None:
            self._map = mmap.mmap(self._file, self.count * self._slot)
        pixels = np.frombuffer(self._map, np.uint8, 4 * height * width, index * self._slot + _HEAD.size)
        image, mask = torch.from_numpy(pixels).split([3 * height * width, height * width])
        return image.view(height, width, 3).permute(2, 0, 1), mask.view(height, width)

    def _keep(self, index: int, image: Tensor, mask: Tensor) -> None:
        content = image.permute(1, 2, 0).contiguous().numpy().tobytes() + mask.contiguous().numpy().tobytes()
        try:
            _write(self._file, content, index * self._slot + _HEAD.size)
            _write(self._file, _HEAD.pack(*mask.shape), index * self._slot)  # now others may read it
        except OSError as error:
            raise LbtError(
                f"compute.cache: {self.place}: decoded images cannot be kept ({error.strerror}). Lower "
                "`compute.cache_gb`, or write `compute.cache: none`."
            ) from error


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(file: int, content: bytes, place: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(file, view, place)
        view, place = view[written:], place + written
