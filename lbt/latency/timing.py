"""Time of a module's forward pass, measured so that the parts of a network add up to the network."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer, timer

Call = tuple[nn.Module, Sequence[Tensor]]
"""A module in evaluation mode and the positional arguments of its forward pass, on one device."""

WARMUP_PASSES = 3
WARMUP_ROUNDS = 2
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def time_together(calls: Sequence[Call], *, threads: int, seconds: float) -> list[float]:
    """Milliseconds of a forward pass of each module, as it takes between the passes of the others.

    In a network the weights of a layer were last used one image ago and its code several layers ago. A loop over one
    layer finds both in the caches: its parts add up to a tenth less than the network. Therefore the modules take turns
    on a CPU, each pass is timed by itself, and the median counts. On a GPU, where waiting for each pass would cost more
    than the caches give, a block of passes of one module is timed with `torch.utils.benchmark`.

    Args:
        calls: a dozen or more modules of different weights.
        threads: CPU threads.
        seconds: about how long a module is timed, on average; one pass of each at least.
    """
    with torch.inference_mode():
        if calls[0][1][0].is_cuda:
            return [_block(call, threads, seconds) for call in calls]
        torch.set_num_threads(threads)
        _keep_freed_memory()
        for _ in range(WARMUP_ROUNDS):
            started = perf_counter()
            for module, inputs in calls:
                module(*inputs)
        rounds = max(1, round(seconds * len(calls) / (perf_counter() - started)))
        times: list[list[float]] = [[] for _ in calls]
        for _ in range(rounds):
            for (module, inputs), found in zip(calls, times, strict=True):
                started = perf_counter()
                module(*inputs)
                found.append((perf_counter() - started) * 1e3)
    return [median(found) for found in times]


def _block(call: Call, threads: int, seconds: float) -> float:
    clock = Timer("module(*inputs)", globals={"module": call[0], "inputs": tuple(call[1])}, num_threads=threads)
    passes = max(1, round(seconds / clock.timeit(1).median))
    return clock.timeit(passes).median * 1e3


def time_passes(module: nn.Module, inputs: Sequence[Tensor], *, runs: int) -> list[float]:
    """Milliseconds of each of `runs` forward passes, after `WARMUP_PASSES` that are not counted.

    Every pass is timed by itself, as a camera's frames are: tails such as the 95th percentile stay visible.
    """
    times = []
    _keep_freed_memory()
    with torch.inference_mode():
        for _ in range(WARMUP_PASSES):
            module(*inputs)
        for _ in range(runs):
            started = timer()
            module(*inputs)
            times.append((timer() - started) * 1e3)
    return times


def _keep_freed_memory() -> None:
    """Tell the C library not to give freed memory back to the system.

    By default it does so after some passes and not after others, and each large feature costs hundreds of page faults
    then: milliseconds that come and go with what else the process has allocated. Only glibc knows these settings.
    """
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(_MMAP_THRESHOLD, 2**25)  # the most that is allowed
