"""Decoded images that are kept are those that are decoded, within their limit, in all loader processes."""

import errno
import os
import pickle

import pytest
import torch

from lbt.config import AugmentationSettings
from lbt.data.decoded_cache import KeptItems, keep_decoded
from lbt.data.loader import decode_items, training_loader
from lbt.errors import LbtError

ITEM = 4 * 6 * 10
"""Bytes of an image and a mask."""


class Counting:
    """Random images of 6 x 10 pixels, the last ones of other sizes; counts how often one is decoded."""

    def __init__(self, count: int = 8) -> None:
        self.count, self.decoded = count, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.decoded += 1
        height, width = {6: (5, 9), 7: (7, 10)}.get(index, (6, 10))
        source = torch.Generator().manual_seed(index)
        image = torch.randint(0, 256, (height, width, 3), generator=source, dtype=torch.uint8)
        return image.permute(2, 0, 1), torch.randint(0, 19, (height, width), generator=source, dtype=torch.uint8)


def same(items, others) -> bool:
    return all(torch.equal(a, b) for x, y in zip(items, others, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("place", ["memory", "file"])
def test_items_are_decoded_once_unless_they_are_too_large(place):
    dataset = Counting()
    kept = keep_decoded(dataset, place, 1)
    assert len(kept) == 8
    dataset.decoded = 0
    for _ in range(3):
        assert same([kept[i] for i in range(8)], [Counting()[i] for i in range(8)])
    assert dataset.decoded == 8 + 2  # the last one is larger than the first


def test_the_limit_holds():
    dataset = Counting()
    kept = keep_decoded(dataset, "memory", 3.5 * (ITEM + 16) / 1e9)
    assert isinstance(kept, KeptItems) and kept.count == 3
    dataset.decoded = 0
    for _ in range(2):
        assert same([kept[i] for i in range(8)], [Counting()[i] for i in range(8)])
    assert dataset.decoded == 8 + 5
    assert os.fstat(kept._file).st_size == 3 * (ITEM + 16)


@pytest.mark.parametrize(("place", "gigabytes"), [("none", 1.0), ("memory", 0.0), ("memory", 1e-9)])
def test_nothing_is_kept_without_memory(place, gigabytes):
    dataset = Counting()
    assert keep_decoded(dataset, place, gigabytes) is dataset


def test_processes_share_what_is_kept():
    dataset = Counting(6)
    kept = keep_decoded(dataset, "memory", 1)
    decode_items(kept, range(6), workers=2)
    dataset.decoded = 0
    assert same([kept[i] for i in range(6)], [Counting()[i] for i in range(6)]) and dataset.decoded == 0
    copy = pickle.loads(pickle.dumps(kept))
    copy.dataset = None
    assert same([copy[i] for i in range(6)], [Counting()[i] for i in range(6)])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same(cityscapes, workers):
    options = {"crop": (32, 32), "batch_size": 4, "seed": 0, "steps": 9}
    plain = list(training_loader(Counting(), data=cityscapes, augmentation=AugmentationSettings(), **options))
    kept = keep_decoded(Counting(), "memory", 1)
    for _ in range(2):
        options["workers"] = workers
        assert same(training_loader(kept, data=cityscapes, augmentation=AugmentationSettings(), **options), plain)


def test_a_full_disk_is_a_message(monkeypatch):
    kept = keep_decoded(Counting(), "file", 1)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(LbtError, match=r"compute\.cache: file: .*No space left .*Lower `compute\.cache_gb`"):
        kept[0]


def test_the_memory_is_freed_with_its_data_set():
    kept = keep_decoded(Counting(), "memory", 1)
    file = kept._file
    del kept
    with pytest.raises(OSError):
        os.fstat(file)
