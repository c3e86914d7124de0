"""Seconds and memory of a benchmark's step."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch
from torch.profiler import ProfilerActivity, profile


def seconds_of(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of a step, including its work that is still in the device's queue when the step returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return perf_counter() - started


def peak_memory(step: Callable[[], object], device: torch.device) -> int:
    """Most bytes that are allocated at once during a step, beyond those before it: weights and their gradients."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        step()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        step()
    events = [e for e in prof.profiler.kineto_results.events() if e.name() == "[memory]"]
    allocated = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        allocated += event.nbytes()
        peak = max(peak, allocated)
    return peak
