"""Loader processes: their shared memory suffices, and every wait for one of them has a limit.

PyTorch hands batches from process to process through shared memory, the file system /dev/shm. If it is full, a
loader process loses its batch, and the training would wait for that batch for ever. Containers often have 64 MB.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import active_children
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader

from lbt.errors import SIGNAL, LbtError
from lbt.runtime.distributed import group

MEMORY = Path("/dev/shm")
PATIENCE = 900
"""Seconds to wait for one batch, which takes seconds even from a slow file server."""
PREFETCH = 2
"""Batches that each process prepares in advance, PyTorch's own default."""
_END = 5.0
"""Seconds that a process has to end by itself."""

_needed: dict[object, int] = {}
"""Bytes in flight of the loaders that are open in this process."""
_free = 0
"""Bytes that were free before the first of them was opened."""


@contextmanager
def reserve_memory(batch: int, workers: int) -> Generator[None, None, None]:
    """While a loader is open, count the shared memory of its batches in flight with that of the others.

    Args:
        batch: bytes of a batch.
        workers: loader processes.

    Raises:
        LbtError: less is free than all open loaders together need.
    """
    global _free
    if not _needed:
        _free = free_memory()
    loader = object()
    _needed[loader] = batch * (workers * PREFETCH + 1)
    try:
        needed = sum(_needed.values()) * group().size
        if needed > _free:
            raise LbtError(
                f"{MEMORY}: {_mb(_free)} of shared memory are free, but the batches of the loader processes need "
                f"{_mb(needed)}. {remedy()}"
            )
        yield
    finally:
        del _needed[loader]


def free_memory() -> int:
    """Free bytes of the shared memory."""
    try:
        found = os.statvfs(MEMORY)
    except OSError as error:
        raise LbtError(f"{MEMORY}: cannot be read ({error.strerror}). {remedy()}") from error
    return found.f_bavail * found.f_frsize


def remedy() -> str:
    """What to do against too little shared memory."""
    return (
        "Write `compute.workers: 0`, which needs none, or a smaller number, or give the container more "
        "(`docker run --shm-size=8g`, `--ipc=host`)."
    )


def share(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Move a batch into shared memory while the loader process can still say that there is too little.

    Raises:
        LbtError: the shared memory is full.
    """
    try:
        return tuple(part.share_memory_() for part in batch)
    except (RuntimeError, OSError) as error:
        raise LbtError(f"{MEMORY}: the shared memory is full ({error}). {remedy()}") from error


def iterate(loader: DataLoader[Any]) -> Generator[Any, None, None]:
    """The batches of a loader. Its processes end with it, whatever happens.

    Raises:
        LbtError: a process was killed, or a batch takes too long.
    """
    before = set(active_children())
    try:
        batches = iter(loader)
    except OSError as error:
        raise LbtError(f"{MEMORY}: the loader processes cannot start ({error}). {remedy()}") from error
    processes = set(active_children()) - before
    try:
        yield from batches
    except RuntimeError as error:
        if not str(error).startswith("DataLoader "):  # an error of the data
            raise
        failure = LbtError(
            f"A loader process failed: {error}. Often memory ran out: lower `compute.workers` or the batch size of "
            f"this stage, or ask for more memory. It can also be {MEMORY}, which then has too little space. {remedy()}"
        )
        failure.exit_code = SIGNAL + signal.SIGKILL  # so it may be tried again with more memory
        raise failure from error
    finally:
        del batches  # asks the processes to end
        end = time.monotonic() + _END
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()  # they ignore SIGTERM
            process.join()


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
