"""Timing of the parts of a space, in random groups and in turns; an interrupted measurement resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.latency.deployment import Deployment, Prepared
from lbt.latency.parts import Part, build_part
from lbt.latency.timing import time_together
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume

TURNS = 5
GROUP = 16
WARMUP_SECONDS = 0.5


def measure_parts(
    parts: Sequence[Part],
    *,
    space: SpaceSettings,
    size: tuple[int, int],
    deployment: Deployment,
    seconds: float,
    resume: Resume,
    log: Path | None = None,
) -> Tensor:
    """Time `TURNS` blocks of forward passes of each part.

    The parts are timed in random groups (`time_together`). Every part has one block before any part has two. So a slow
    moment of the machine, or a change of its clock rate, affects one block of many parts instead of all blocks of a
    few.

    Args:
        parts: the parts, from `list_space_parts`.
        space: the search space.
        size: height and width of the image in pixels.
        deployment: how the parts are run.
        seconds: approximate time of all blocks of a part together.
        resume: saved blocks from which an interrupted measurement resumes.
        log: file for plain progress lines.

    Returns:
        (`TURNS`, parts) milliseconds, float64.
    """

    kept: dict[int, Prepared] = {}

    def prepare(index: int) -> Prepared:
        part = parts[index]
        module, inputs = build_part(part, space, size)
        if index in kept:
            return replace(kept[index], inputs=deployment.place(inputs))
        prepared = deployment.prepare(module, inputs, first=part.is_first, last=part.is_last)
        # Preparing takes up to seconds, and on a CPU as long as half of the timing. A CUDA graph would keep its memory.
        if deployment.backend != "eager" or deployment.device.type == "cpu":
            kept[index] = replace(prepared, inputs=())
        return prepared

    def time_parts(group: Sequence[int], duration: float) -> list[float]:
        return time_prepared([prepare(index) for index in group], threads=deployment.threads, seconds=duration)

    blocks = torch.full((TURNS, len(parts)), torch.nan, dtype=torch.float64)
    groups = [(turn, group) for turn in range(TURNS) for group in _draw_groups(len(parts), turn)]
    with Progress("latency table", len(groups), log) as progress:
        remaining = groups[resume.step :]
        if remaining:
            # The first passes of a process are slow, whatever they compute. Their times are not used.
            time_parts([0], WARMUP_SECONDS)
        for _, (turn, group) in resume.steps(remaining, {"blocks": blocks}, progress):
            milliseconds = time_parts(group, seconds / TURNS)
            blocks[turn, group] = torch.tensor(milliseconds, dtype=torch.float64)
            progress.advance(ms=median(milliseconds))
    return blocks


def time_prepared(parts: Sequence[Prepared], *, threads: int, seconds: float) -> list[float]:
    """Milliseconds of each part inside a network, from `time_together`."""
    times = time_together([part.call for part in parts], threads=threads, seconds=seconds)
    return [milliseconds * part.share for milliseconds, part in zip(times, parts, strict=True)]


def _draw_groups(parts: int, turn: int) -> list[list[int]]:
    """Divide the indices of the parts at random into groups of `GROUP` to twice as many."""
    order = Random(turn).sample(range(parts), parts)
    count = max(1, parts // GROUP)
    return [order[start::count] for start in range(count)]
