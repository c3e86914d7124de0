"""Wall-clock time of a module's forward pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.benchmark import Measurement, Timer, timer

BLOCKS = 5
WARMUP_PASSES = 3


def measure(module: nn.Module, inputs: Sequence[torch.Tensor], *, threads: int, seconds: float) -> tuple[float, float]:
    """Median and interquartile range of a forward pass in milliseconds, with `torch.utils.benchmark`.

    The time is taken in `BLOCKS` blocks of equally many passes, so that the range says how far blocks differ and the
    clock's own time is spread over a block. On a GPU the timer waits for the device at both ends of a block.

    Args:
        module: in evaluation mode, on the device of `inputs`.
        inputs: the positional arguments of its forward pass.
        threads: CPU threads.
        seconds: least time for all blocks together.
    """
    clock = Timer("module(*inputs)", globals={"module": module, "inputs": tuple(inputs)}, num_threads=threads)
    with torch.inference_mode():
        passes = max(1, round(seconds / BLOCKS / clock.timeit(1).median))
        merged = Measurement.merge([clock.timeit(passes) for _ in range(BLOCKS)])
    return merged[0].median * 1e3, merged[0].iqr * 1e3


def time_passes(module: nn.Module, inputs: Sequence[torch.Tensor], *, runs: int) -> list[float]:
    """Milliseconds of each of `runs` forward passes, after `WARMUP_PASSES` that are not counted.

    Every pass is timed by itself, as a camera's frames are: tails such as the 95th percentile stay visible.
    """
    times = []
    with torch.inference_mode():
        for _ in range(WARMUP_PASSES):
            module(*inputs)
        for _ in range(runs):
            started = timer()
            module(*inputs)
            times.append((timer() - started) * 1e3)
    return times
