import time

import torch
from torch import nn

from lbt.latency.timing import BLOCKS, WARMUP_PASSES, measure, time_passes


class Sleep(nn.Module):
    """Waits, and counts how often."""

    def __init__(self, *milliseconds):
        super().__init__()
        self.milliseconds, self.passes, self.grad = milliseconds, 0, []

    def forward(self, x):
        time.sleep(self.milliseconds[self.passes % len(self.milliseconds)] / 1e3)
        self.passes += 1
        self.grad.append(torch.is_grad_enabled())
        return x


def test_median_is_the_time_of_one_pass():
    median, spread = measure(Sleep(4), (torch.zeros(1),), threads=1, seconds=0.1)
    assert 4 <= median < 40
    assert spread >= 0


def test_at_least_the_asked_time_is_measured():
    module = Sleep(2)
    started = time.perf_counter()
    measure(module, (torch.zeros(1),), threads=1, seconds=0.2)
    assert time.perf_counter() - started >= 0.15
    assert module.passes >= BLOCKS
    assert not any(module.grad)


def test_each_pass_is_timed_by_itself():
    module = Sleep(1, 1, 1, 1, 80)
    times = time_passes(module, (torch.zeros(1),), runs=10)
    assert len(times) == 10 and module.passes == 10 + WARMUP_PASSES
    assert sum(t >= 80 for t in times) == 2
    assert min(times) < 80
