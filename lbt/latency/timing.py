"""Stopwatch for forward passes, which times the parts of a network so that they add up to the network."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import suppress
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

Call = tuple[Callable[..., object], Sequence[Tensor]]
"""A forward pass, such as a module in evaluation mode, and its positional arguments, on one device."""

WARMUP_PASSES = 3
WARMUP_ROUNDS = 2
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def time_together(calls: Sequence[Call], *, threads: int, seconds: float) -> list[float]:
    """Milliseconds of a forward pass of each module, timed between the passes of the others.

    In a network, the weights of a layer were last used one image ago, and its code several layers ago. A loop over one
    layer finds both in the caches, so the parts would add up to a tenth less than the network. Therefore the modules
    take turns on a CPU, each pass is timed by itself, and the result is the median. On a GPU, waiting for each pass
    would cost more than the caches save, so `torch.utils.benchmark` times a block of passes of one module.

    Args:
        calls: a dozen or more modules with different weights.
        threads: CPU threads.
        seconds: approximate time per module, on average; each module runs at least once.
    """
    with torch.inference_mode():
        if calls[0][1][0].is_cuda:
            return [_time_block(call, threads, seconds) for call in calls]
        torch.set_num_threads(threads)
        _keep_freed_memory()
        for _ in range(WARMUP_ROUNDS):
            started = perf_counter()
            for module, inputs in calls:
                module(*inputs)
    rounds = max(1, round(seconds * len(calls) / (perf_counter() - started)))
    return [median(passes) for passes in time_rounds(calls, rounds)]


def time_rounds(calls: Sequence[Call], rounds: int, after_round: Callable[[], None] | None = None) -> list[list[float]]:
    """Milliseconds of each of `rounds` forward passes of each module; in a round, every module has one pass."""
    _keep_freed_memory()
    times: list[list[float]] = [[] for _ in calls]
    with torch.inference_mode():
        for _ in range(rounds):
            for (module, inputs), passes in zip(calls, times, strict=True):
                started = _now()
                module(*inputs)
                passes.append((_now() - started) * 1e3)
            if after_round is not None:
                after_round()
    return times


def _time_block(call: Call, threads: int, seconds: float) -> float:
    from torch.utils.benchmark import Timer  # only here, because on a machine without GPU it warns of CUDA_HOME

    clock = Timer("module(*inputs)", globals={"module": call[0], "inputs": tuple(call[1])}, num_threads=threads)
    passes = max(1, round(seconds / clock.timeit(1).median))
    return clock.timeit(passes).median * 1e3


def time_passes(module: Callable[..., object], inputs: Sequence[Tensor], *, runs: int) -> list[float]:
    """Milliseconds of each of `runs` forward passes, after `WARMUP_PASSES` passes that do not count.

    Every pass is timed by itself, like the frames of a camera, so tails such as the 95th percentile stay visible.
    """
    times = []
    _keep_freed_memory()
    with torch.inference_mode():
        for _ in range(WARMUP_PASSES):
            module(*inputs)
        for _ in range(runs):
            started = _now()
            module(*inputs)
            times.append((_now() - started) * 1e3)
    return times


def _now() -> float:
    """Time in seconds, after the GPU has done everything that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter()


def _keep_freed_memory() -> None:
    """Tell the C library not to return freed memory to the system.

    By default it returns memory after some passes and not after others, and then each large feature costs hundreds of
    page faults. These milliseconds depend on everything else that the process has allocated. Only glibc has these
    settings.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(_MMAP_THRESHOLD, 2**25)  # the largest allowed value
