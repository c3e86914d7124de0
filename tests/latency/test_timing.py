"""The stopwatch: which passes count, and for how long. A fake clock advances only while a module runs."""

import pytest
import torch
from torch import nn

from lbt.latency import timing
from lbt.latency.timing import WARMUP_PASSES, WARMUP_ROUNDS, time_passes, time_together

INPUTS = (torch.zeros(1),)


class Clock:
    """Seconds, and the modules that ran, in order."""

    def __init__(self):
        self.seconds, self.order, self.grad = 0.0, [], []

    def __call__(self):
        return self.seconds


class Busy(nn.Module):
    """Takes the given milliseconds, one after the other and then again from the first."""

    def __init__(self, clock, *milliseconds):
        super().__init__()
        self.clock, self.milliseconds, self.passes = clock, milliseconds, 0

    def forward(self, x):
        self.clock.seconds += self.milliseconds[self.passes % len(self.milliseconds)] / 1e3
        self.passes += 1
        self.clock.order.append(self)
        self.clock.grad.append(torch.is_grad_enabled())
        return x


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", clock)
    return clock


def test_each_module_gets_the_time_of_one_of_its_passes(clock):
    modules = [Busy(clock, 2), Busy(clock, 8), Busy(clock, 4)]
    assert time_together([(module, INPUTS) for module in modules], threads=1, seconds=0.05) == pytest.approx([2, 8, 4])
    assert not any(clock.grad)


def test_the_modules_run_for_the_requested_time_on_average(clock):
    modules = [Busy(clock, 2), Busy(clock, 8)]
    time_together([(module, INPUTS) for module in modules], threads=1, seconds=0.1)
    assert [module.passes for module in modules] == [WARMUP_ROUNDS + 20] * 2  # 0.2 s for rounds of 10 ms


def test_each_module_is_timed_at_least_once(clock):
    module = Busy(clock, 5)
    time_together([(module, INPUTS)], threads=1, seconds=1e-4)
    assert module.passes == WARMUP_ROUNDS + 1


def test_modules_take_turns(clock):
    modules = [Busy(clock, 1), Busy(clock, 1), Busy(clock, 1)]
    time_together([(module, INPUTS) for module in modules], threads=1, seconds=0.01)
    assert clock.order == modules * (WARMUP_ROUNDS + 10)


def test_a_slow_pass_does_not_count(clock):
    module = Busy(clock, 1, 1, 1, 1, 30)
    assert time_together([(module, INPUTS)], threads=1, seconds=0.02) == pytest.approx([1])


def test_each_pass_is_timed_by_itself(clock):
    module = Busy(clock, 1, 1, 1, 1, 80)
    times = time_passes(module, INPUTS, runs=10)
    assert module.passes == 10 + WARMUP_PASSES
    assert times == pytest.approx([1, 80, 1, 1, 1, 1, 80, 1, 1, 1])  # three passes of warm-up come first
