"""Batches of a data set; their order and augmentation depend on (seed, epoch, index) only."""

from __future__ import annotations

import atexit
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from functools import lru_cache
from itertools import groupby
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.augment import augment
from lbt.data.dataset import Items
from lbt.data.loader_processes import PATIENCE, PREFETCH, iterate, reserve_memory, share
from lbt.data.normalise import normalise
from lbt.errors import LbtError
from lbt.runtime.distributed import group
from lbt.runtime.seeding import generator
from lbt.runtime.signals import leave_to_parent

T = TypeVar("T")


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


@lru_cache(maxsize=8)
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
) -> Iterator[tuple[Tensor, ...]]:
    """Yield `steps` augmented batches of the endless stream of `seed`, beginning at global step `start`.

    The batch of a step depends neither on `start` nor on the number of workers. In a job of several processes, each
    process loads and gets its own rows of every batch only.

    Args:
        dataset: items of an image and its targets, see `lbt.data.augment.augment`.
        data: mean and standard deviation of the images.
        augmentation: kinds and ranges of the random changes; its `crop` is not used.
        crop: height and width of the crops in pixels.
        batch_size: items per batch of all processes together.
        seed: seed of order and augmentation.
        steps: number of batches.
        start: global step of the first batch.
        workers: number of loader processes; 0 loads in this process.

    Yields:
        Images (B, 3, h, w) float32, normalised; then the targets in the order of the items: masks (B, h, w) int64,
        soft targets (B, C, h, w) float32.

    Raises:
        LbtError: the data set has fewer items than a batch, the processes cannot share a batch evenly, an item cannot
            be decoded, or loader processes lack shared memory or die.
    """
    stream = Stream(len(dataset), batch_size, seed)
    if batch_size > len(dataset):
        raise LbtError(
            f"A batch of {batch_size} images is larger than its part, which has {len(dataset)}. Lower the batch_size "
            "of this stage, or change the split."
        )
    batches = _AugmentedBatches(dataset, stream, group().rows(batch_size), data, augmentation, crop)
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(start, start + steps),
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        timeout=PATIENCE if workers else 0,
        collate_fn=_unchanged,
        worker_init_fn=leave_to_parent,
        generator=torch.Generator(),  # by default the loader would advance the global generator
    )
    loaded = _load(loader, batches, start)
    # An error may leave this generator open to the end of the process. Python then sends the loader processes a signal
    # that they ignore and waits for them, so they have to be closed before.
    atexit.register(loaded.close)
    try:
        yield from loaded
    finally:
        atexit.unregister(loaded.close)


def _load(
    loader: DataLoader[tuple[Tensor, ...] | LbtError], batches: _AugmentedBatches, start: int
) -> Generator[tuple[Tensor, ...], None, None]:
    memory = reserve_memory(batches.size(start), loader.num_workers) if loader.num_workers else nullcontext()
    with memory, closing(iterate(loader)) as loaded:
        for batch in loaded:
            if isinstance(batch, LbtError):
                raise batch
            yield batch


class _AugmentedBatches(Dataset[tuple[Tensor, ...] | LbtError]):
    """The rows `rows` of each batch, by global step.

    An LbtError is returned instead of raised, because the loader would wrap it in a worker's traceback.
    """

    def __init__(
        self,
        dataset: Items,
        stream: Stream,
        rows: slice,
        data: DataSettings,
        augmentation: AugmentationSettings,
        crop: tuple[int, int],
    ) -> None:
        self.dataset, self.stream, self.rows = dataset, stream, rows
        self.data, self.augmentation, self.crop = data, augmentation, crop

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, step: int) -> tuple[Tensor, ...] | LbtError:
        try:
            batch = _stack([self._item(epoch, index) for epoch, index in self.stream.indices(step)[self.rows]])
            return batch if get_worker_info() is None else share(batch)
        except LbtError as error:
            return error

    def size(self, step: int) -> int:
        """Bytes of a batch, from the first item of the given step."""
        indices = self.stream.indices(step)[self.rows]
        return sum(part.nbytes for part in _stack([self._item(*indices[0])])) * len(indices)

    def _item(self, epoch: int, index: int) -> tuple[Tensor, ...]:
        item, source = self.dataset[index], generator(self.stream.seed, epoch, index)
        return augment(item, settings=self.augmentation, data=self.data, crop=self.crop, generator=source)


def evaluation_batches(dataset: Items, batch_size: int, data: DataSettings) -> Iterator[tuple[Tensor, ...]]:
    """Yield the whole data set once, in order and without augmentation.

    A batch holds consecutive images of equal size, so mixed sizes give smaller batches.

    Yields:
        Images (B, 3, H, W) float32, normalised; then the targets as in `training_loader`, at their own size.
    """
    items = (dataset[index] for index in range(len(dataset)))
    for _, equal in groupby(items, key=lambda item: tuple(part.shape for part in item)):
        batch: list[tuple[Tensor, ...]] = []
        for image, *targets in equal:
            batch.append((normalise(image, data.mean, data.std), *targets))
            if len(batch) == batch_size:
                yield _stack(batch)
                batch = []
        if batch:
            yield _stack(batch)


def _stack(items: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    columns = (torch.stack([part.as_subclass(Tensor) for part in column]) for column in zip(*items, strict=True))
    return tuple(column.float() if column.is_floating_point() else column.long() for column in columns)


def _unchanged(batch: T) -> T:
    return batch
