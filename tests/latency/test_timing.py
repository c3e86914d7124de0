import time

import torch
from torch import nn

from lbt.latency.timing import WARMUP_PASSES, WARMUP_ROUNDS, time_passes, time_together


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


INPUTS = (torch.zeros(1),)


def test_each_module_gets_the_time_of_one_of_its_passes():
    modules = [Sleep(2), Sleep(8), Sleep(4)]
    found = time_together([(module, INPUTS) for module in modules], threads=1, seconds=0.05)
    assert found[0] >= 2 and found[1] >= 8 and found[2] >= 4
    assert found[0] < found[2] < found[1]
    assert not any(grad for module in modules for grad in module.grad)


def test_about_the_asked_time_is_measured_on_average():
    modules = [Sleep(2), Sleep(8)]
    time_together([(module, INPUTS) for module in modules], threads=1, seconds=0.1)
    assert WARMUP_ROUNDS + 3 <= modules[0].passes == modules[1].passes <= WARMUP_ROUNDS + 20


def test_one_pass_is_timed_at_least():
    module = Sleep(5)
    time_together([(module, INPUTS)], threads=1, seconds=1e-4)
    assert module.passes == WARMUP_ROUNDS + 1


def test_modules_take_turns():
    order = []

    class Noted(Sleep):
        def forward(self, x):
            order.append(self)
            return super().forward(x)

    modules = [Noted(1), Noted(1), Noted(1)]
    time_together([(module, INPUTS) for module in modules], threads=1, seconds=0.01)
    assert order == modules * (len(order) // 3) and len(order) > 9


def test_a_slow_pass_does_not_count():
    module = Sleep(1, 1, 1, 1, 30)
    assert time_together([(module, INPUTS)], threads=1, seconds=0.02)[0] < 15


def test_each_pass_is_timed_by_itself():
    module = Sleep(1, 1, 1, 1, 80)
    times = time_passes(module, (torch.zeros(1),), runs=10)
    assert len(times) == 10 and module.passes == 10 + WARMUP_PASSES
    assert sum(t >= 80 for t in times) == 2
    assert min(times) < 80
