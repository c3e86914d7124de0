"""Time, launches, waits and memory of a step on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

WARM = 2
"""Calls before the first timed one."""


def synchronise(device: torch.device) -> None:
    """Wait for everything that the device was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of a step, the device's work included."""
    synchronise(device)
    started = perf_counter()
    step()
    synchronise(device)
    return perf_counter() - started


def figures(step: Callable[[], object], device: torch.device, *, repeats: int = 5, counted: bool = True) -> Any:
    """Median milliseconds, first milliseconds, peak memory, and what one call launches.

    Args:
        step: called `WARM` times, then `repeats` times, then once under the profiler.
        device: where it runs.
        repeats: timed calls.
        counted: whether to count launches too.
    """
    first = seconds_of(step, device)
    for _ in range(WARM - 1):
        step()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
    times = [seconds_of(step, device) for _ in range(repeats)]
    found: dict[str, Any] = {"ms": milliseconds(median(times)), "first_ms": milliseconds(first)}
    found["ms_of_each"] = [milliseconds(t) for t in times]
    if device.type == "cuda":
        found["peak_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20)
        found["peak_mib_of_step"] = round((torch.cuda.max_memory_allocated(device) - before) / 2**20)
    return found | (launches(step, device) if counted else {})


def milliseconds(seconds: float) -> float:
    """With three decimals."""
    return round(seconds * 1e3, 3)


class Counter:
    """The profiler as a pair of calls, for steps that are not a function."""

    def __init__(self, device: torch.device) -> None:
        activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device.type == "cuda" else [])
        self.device, self.profile = device, profile(activities=activities)

    def start(self) -> None:
        """Count from here."""
        synchronise(self.device)
        self.profile.start()

    def stop(self) -> dict[str, Any]:
        """What was launched since `start`."""
        synchronise(self.device)
        self.profile.stop()
        events = self.profile.profiler.kineto_results.events()
        names = [event.name() for event in events]
        if self.device.type != "cuda":
            return {"operators": sum(name.startswith("aten::") for name in names)}
        kernels = [e for e in events if e.device_type() == torch.autograd.DeviceType.CUDA]
        return {
            "launches": sum("LaunchKernel" in name for name in names),
            "graph_launches": sum("GraphLaunch" in name for name in names),
            "waits": sum(name in ("cudaStreamSynchronize", "cudaEventSynchronize") for name in names),
            "copies": sum(name.startswith("cudaMemcpy") for name in names),
            "busy_ms": round(sum(e.duration_ns() for e in kernels) / 1e6, 3),
        }


class Clock:
    """Times the steps of a loop that takes its batches from `each`; the last step is counted by the profiler."""

    def __init__(self, device: torch.device, steps: int) -> None:
        self.device, self.steps, self.counter = device, steps, Counter(device)
        self.times: list[float] = []
        self.peak = 0

    def each(self, batch: tuple[Tensor, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """The same batch for each step."""
        for step in range(self.steps):
            synchronise(self.device)
            self.times.append(perf_counter())
            if step == 2 and self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
            if step == self.steps - 1:
                if self.device.type == "cuda":
                    self.peak = torch.cuda.max_memory_allocated(self.device)
                self.counter.start()
            yield batch

    def figures(self) -> dict[str, Any]:
        """Milliseconds of the steps but the first, the first one's, and what the last one launched."""
        counted = self.counter.stop()
        times = [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
        later = sorted(times[1:])
        found = {"ms": milliseconds(later[len(later) // 2]), "first_ms": milliseconds(times[0])}
        found["ms_of_each"] = [milliseconds(t) for t in times]
        return found | ({"peak_mib": round(self.peak / 2**20)} if self.peak else {}) | counted


def launches(step: Callable[[], object], device: torch.device) -> dict[str, Any]:
    """Launches, waits of the host, copies and the device's busy time of one call; on a CPU the operators."""
    counter = Counter(device)
    counter.start()
    step()
    return counter.stop()
