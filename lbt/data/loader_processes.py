"""Loader processes: one pool per job that all its loaders share, whose every wait has a limit.

PyTorch hands tensors from process to process through shared memory, the file system /dev/shm. If it is full, a loader
process can only say so. Containers often have 64 MB.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from itertools import islice
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map_only

from lbt.errors import SIGNAL, LbtError
from lbt.runtime.distributed import group
from lbt.runtime.signals import leave_to_parent

Request = TypeVar("Request")
Result = TypeVar("Result")

MEMORY = Path("/dev/shm")
PATIENCE = 900.0
"""Seconds to wait for one result, which takes seconds even from a slow file server."""
PREFETCH = 2
"""Results per process that are prepared in advance, of all open loaders together."""

_pools: dict[int, _Pool] = {}
"""The pools of this process by their number of processes; a job has one."""
_needed: dict[object, int] = {}
"""Bytes in flight of the loaders that are open in this process."""
_free = 0
"""Bytes that were free before the first of them was opened."""


def load_ahead(
    load: Callable[[Request], Result], requests: Iterable[Request], workers: int, *, pin: bool = False
) -> Generator[Result, None, None]:
    """Yield `load(request)` for each request in order, computed ahead in the loader processes of this job.

    The processes live as long as this one, and all calls with the same number share them.

    Args:
        load: can be pickled; its results hold plain tensors.
        requests: can be pickled.
        workers: number of processes; 0 computes in this process when a result is asked for.
        pin: whether to move the results into pinned memory, from which a GPU copies without making this process wait.

    Raises:
        LbtError: raised by `load`; a process was killed; a result takes too long; the shared memory is too small.
    """
    if not workers:
        yield from (_pin(load(request)) if pin else load(request) for request in requests)
        return
    global _free
    if not _needed:
        _free = free_memory()
    me, pickled, waiting = object(), pickle.dumps(load), iter(requests)
    pool, pending = _open_pool(workers), deque[Future[Result]]()
    _needed[me] = 0
    try:
        while True:
            depth = -(-PREFETCH * workers // len(_needed))
            for request in islice(waiting, max(0, depth + 1 - len(pending))):
                pending.append(pool.submit(pickled, request, pin))
            if not pending:
                return
            result = pool.wait(pending.popleft())
            _check_memory(me, sum(part.nbytes for part in _tensors(result)) * (depth + 1))
            yield result
    finally:
        del _needed[me]
        for future in pending:
            future.cancel()


class _Pool:
    """A pool of loader processes."""

    def __init__(self, workers: int) -> None:
        self.workers, before = workers, set(active_children())
        # Forked, because a new interpreter would take seconds to import PyTorch.
        context = torch.multiprocessing.get_context("fork")
        try:  # even its locks lie in the shared memory
            self.executor = ProcessPoolExecutor(workers, context, _begin, (os.getpid(),))
            self.executor.submit(os.getpid)  # starts all processes
        except OSError as error:
            raise LbtError(f"{MEMORY}: the loader processes cannot start ({error}). {remedy()}") from error
        self.processes: set[BaseProcess] = set(active_children()) - before
        # A process of several waits at its end for its children, before the executor would end them, but after it has
        # closed the queues of priority 10, over which the executor tells them to end.
        Finalize(None, self.executor.shutdown, kwargs={"cancel_futures": True}, exitpriority=100)
        self.pinning = ThreadPoolExecutor(2)  # so that a batch need not wait for one of another loader

    def submit(self, load: bytes, request: Any, pin: bool) -> Future[Any]:
        try:
            future = self.executor.submit(_run, load, request)
        except BrokenProcessPool as error:
            raise self._fail(error) from error
        return self.pinning.submit(lambda: _pin(future.result())) if pin else future

    def wait(self, future: Future[Result]) -> Result:
        try:
            return future.result(PATIENCE)
        except TimeoutError as error:
            raise self._fail(f"nothing came for {PATIENCE:g} seconds.") from error
        except BrokenProcessPool as error:
            raise self._fail(error) from error

    def _fail(self, why: object) -> LbtError:
        """End the processes, which may hang; the next loader starts others."""
        _pools.pop(self.workers, None)
        for process in self.processes:
            process.kill()  # they ignore SIGTERM
        self.executor.shutdown(wait=False, cancel_futures=True)
        failure = LbtError(
            f"A loader process failed: {why} Often memory ran out: lower `compute.workers` or the batch size of "
            f"this stage, or ask for more memory. It can also be {MEMORY}, which then has too little space. {remedy()}"
        )
        failure.exit_code = SIGNAL + signal.SIGKILL  # so it may be tried again with more memory
        return failure


def _open_pool(workers: int) -> _Pool:
    if workers not in _pools:
        _pools[workers] = _Pool(workers)
    return _pools[workers]


def _begin(parent: int) -> None:
    """Begin a loader process: it uses one thread, leaves signals to its parent, and ends with it."""
    leave_to_parent()
    torch.set_num_threads(1)
    _pools.clear()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run(load: bytes, request: Any) -> Any:
    result = _unpickle(load)(request)
    try:
        for part in _tensors(result):
            part.share_memory_()
    except (RuntimeError, OSError) as error:
        raise LbtError(f"{MEMORY}: the shared memory is full ({error}). {remedy()}") from error
    return result


def _tensors(result: Any) -> list[Tensor]:
    return [part for part in tree_leaves(result) if isinstance(part, Tensor)]


def _pin(result: Result) -> Result:
    return tree_map_only(Tensor, lambda part: part.pin_memory(), result)


@lru_cache(maxsize=16)
def _unpickle(load: bytes) -> Callable[[Any], Any]:
    """What a loader process loads with; its open files stay open from one request to the next."""
    return pickle.loads(load)


def _check_memory(loader: object, needed: int) -> None:
    """Count the shared memory of a loader with that of the others.

    Raises:
        LbtError: less is free than all open loaders together need.
    """
    _needed[loader] = needed
    needed = sum(_needed.values()) * group().size
    if needed > _free:
        raise LbtError(
            f"{MEMORY}: {_mb(_free)} of shared memory are free, but the batches of the loader processes need "
            f"{_mb(needed)}. {remedy()}"
        )


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


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
