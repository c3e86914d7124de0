"""Batches of a data set; their order and augmentation depend on (seed, epoch, index) only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice

import torch
from torch import Tensor

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.augment import Jitter, augment, recolor
from lbt.data.dataset import Items
from lbt.data.loader_processes import load_ahead
from lbt.data.normalise import normalise
from lbt.errors import LbtError
from lbt.runtime.distributed import group
from lbt.runtime.seeding import generator

CPU = torch.device("cpu")


class Stream:
    """An endless sequence of batches over a data set of `count` items.

    Each epoch is a permutation from (seed, epoch). A batch that reaches the end of an epoch continues with the next
    one, so every batch has `batch_size` items, and the batch of step k depends on k alone.
    """

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        if count < 1:
            raise LbtError("A data set of zero images has no batches; check the split.")
        self.count, self.batch_size, self.seed = count, batch_size, seed

    def indices(self, step: int) -> list[tuple[int, int]]:
        """The (epoch, index) pairs of the batch at global step `step`, counted from 0."""
        items = (divmod(item, self.count) for item in range(step * self.batch_size, (step + 1) * self.batch_size))
        return [(epoch, _permutation(self.count, self.seed, epoch)[position]) for epoch, position in items]


@lru_cache(maxsize=16)
def _permutation(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    return tuple(torch.randperm(count, generator=generator(seed, epoch)).tolist())


def training_loader(
    dataset: Items,
    *,
    data: DataSettings,
    augmentation: AugmentationSettings,
    crop: tuple[int, int],
    batch_size: int,
    seed: int,
    steps: int,
    start: int = 0,
    workers: int = 0,
    device: torch.device = CPU,
) -> Iterator[tuple[Tensor, ...]]:
    """Yield `steps` augmented batches of the endless stream of `seed`, beginning at global step `start`.

    The batch of a step depends neither on `start` nor on the number of workers. In a job of several processes, each
    process loads and gets its own rows of every batch only. Images travel to the device as 8-bit crops; their colours
    are changed there.

    Args:
        dataset: items of an image and its targets, see `lbt.data.augment.augment`.
        data: mean and standard deviation of the images.
        augmentation: kinds and ranges of the random changes; its `crop` is not used.
        crop: height and width of the crops in pixels.
        batch_size: items per batch of all processes together.
        seed: seed of order and augmentation.
        steps: number of batches.
        start: global step of the first batch.
        workers: number of loader processes, which all loaders of a job share; 0 loads in this process.
        device: of the batches.

    Yields:
        Images (B, 3, h, w) float32, normalised; then the targets in the order of the items: masks (B, h, w) int64,
        soft targets (B, C, h, w) float32.

    Raises:
        LbtError: the data set has fewer items than a batch, the processes cannot share a batch evenly, an item cannot
            be decoded, or loader processes lack shared memory or die.
    """
    stream, rows = Stream(len(dataset), batch_size, seed), group().rows(batch_size)
    if batch_size > len(dataset):
        raise LbtError(
            f"A batch of {batch_size} images is larger than its part, which has {len(dataset)}. Lower the batch_size "
            "of this stage, or change the split."
        )
    load = _AugmentedItems(dataset, seed, augmentation, crop)
    requests = (stream.indices(step)[rows] for step in range(start, start + steps))
    for jitters, batch in load_ahead(load, requests, workers, pin=device.type == "cuda"):
        images, *targets = _send(batch, device)
        yield recolor(images, jitters, data), *targets


@dataclass(frozen=True)
class _AugmentedItems:
    """Loads a batch of items that are given by epoch and index."""

    dataset: Items
    seed: int
    augmentation: AugmentationSettings
    crop: tuple[int, int]

    def __call__(self, pairs: Sequence[tuple[int, int]]) -> tuple[list[Jitter], tuple[Tensor, ...]]:
        jitters, items = zip(*(self._item(epoch, index) for epoch, index in pairs), strict=True)
        return list(jitters), _stack(items)

    def _item(self, epoch: int, index: int) -> tuple[Jitter, tuple[Tensor, ...]]:
        source = generator(self.seed, epoch, index)
        return augment(self.dataset[index], settings=self.augmentation, crop=self.crop, generator=source)


def decode_items(dataset: Items, indices: Sequence[int], workers: int = 0) -> list[tuple[Tensor, ...]]:
    """The items of these indices in order; the loader processes share the work."""
    # Copies, because memory that processes share is limited, and so is the number of its parts.
    items = load_ahead(dataset.__getitem__, indices, workers)
    return [tuple(part.clone() for part in item) if workers else item for item in items]


def evaluation_batches(
    dataset: Items, batch_size: int, data: DataSettings, *, workers: int = 0, device: torch.device = CPU
) -> Iterator[tuple[Tensor, ...]]:
    """Yield the whole data set once, in order and without augmentation.

    A batch holds consecutive images of equal size, so mixed sizes give smaller batches.

    Yields:
        Images (B, 3, H, W) float32, normalised; then the targets as in `training_loader`, at their own size.
    """
    items = load_ahead(dataset.__getitem__, range(len(dataset)), workers, pin=device.type == "cuda")
    for _, equal in groupby(items, key=lambda item: tuple(part.shape for part in item)):
        while batch := list(islice(equal, batch_size)):
            images, *targets = _stack([_send(item, device) for item in batch])
            yield normalise(images.contiguous(), data.mean, data.std), *targets


def _stack(items: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(column) for column in zip(*items, strict=True))


def _send(batch: tuple[Tensor, ...], device: torch.device) -> tuple[Tensor, ...]:
    """Images and targets on the device: images stay uint8, masks become int64, soft targets are float32."""
    images, *targets = (part.to(device, non_blocking=True) for part in batch)
    return images, *(target.float() if target.is_floating_point() else target.long() for target in targets)
