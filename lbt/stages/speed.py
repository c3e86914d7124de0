"""How fast a device trains, as two numbers: operations a second, and seconds for each operator."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from lbt.config import ComputeDevice
from lbt.inference.summary import count_threads
from lbt.runtime.device import prepare_device
from lbt.stages.work import Work, count_work

_SECONDS = 0.15
"""Time for each of the two measurements."""
_LARGE, _SMALL = (4, 64, 64, 64), (4, 64, 2, 2)


@dataclass(frozen=True)
class Speed:
    """The speed of a device.

    Attributes:
        name: of the device, in words.
        flop: floating-point operations a second.
        operator: seconds that the host needs to start an operator.
        overlaps: whether the device computes while the host starts the next operators, as a GPU does.
        source: where the numbers come from, in words.
    """

    name: str
    flop: float
    operator: float
    overlaps: bool
    source: str

    def seconds(self, work: Work) -> float:
        """Time for this work."""
        device, host = work.flop / self.flop, work.operators * self.operator
        return max(device, host) if self.overlaps else device + host


H100 = Speed("an H100", 40e12, 7e-6, True, "a table: 40 TFLOP/s and 7 us an operator, estimated")


def training(work: Work) -> Work:
    """The work of a forward and a backward pass, for all gradients, from that of the forward pass.

    The backward pass has two products for each of the forward pass. The number of operators was counted for a supernet.
    """
    return Work(3 * work.flop, 2.8 * work.operators)


def measure_speed(compute: ComputeDevice) -> Speed:
    """Time a small part of a network, forward and backward, on many and on few pixels."""
    device = prepare_device(compute)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [[nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()] for _ in range(2)]
        block = nn.Sequential(*(layer for pair in layers for layer in pair))
        block = block.to(device).to(memory_format=torch.channels_last)
    times, works = [], []
    for shape in (_LARGE, _SMALL):
        images = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last).requires_grad_()
        works.append(training(count_work(partial(block, images))))
        times.append(_time(block, images))
    operator = times[1] / works[1].operators
    flop = works[0].flop / max(times[0] - times[1], 1e-9)
    gpu = device.type == "cuda"
    name = torch.cuda.get_device_name() if gpu else f"this CPU with {count_threads(compute.threads)}"
    source = f"two convolutions, timed now: {flop / 1e9:.3g} GFLOP/s and {1e6 * operator:.2g} us an operator"
    return Speed(name, flop, operator, gpu, source)


def _time(block: nn.Module, images: torch.Tensor) -> float:
    """Least seconds of a forward and a backward pass."""
    least, end = float("inf"), time.perf_counter() + _SECONDS
    while True:
        start = time.perf_counter()
        block(images).sum().backward()
        if images.is_cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        least = min(least, now - start)
        if now > end:
            return least
