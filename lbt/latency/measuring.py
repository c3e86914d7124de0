"""Timing of the parts of a space, in groups and in turns, resumable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch

from lbt.config import SpaceSettings
from lbt.latency.partial_rows import PartialRows
from lbt.latency.parts import Part, build_part
from lbt.latency.timing import time_together
from lbt.runtime.progress import Progress

TURNS = 5
GROUP = 16
WARMUP_SECONDS = 0.5


def measure_parts(
    parts: Sequence[Part],
    rows: PartialRows,
    *,
    space: SpaceSettings,
    size: tuple[int, int],
    device: torch.device,
    threads: int,
    seconds: float,
    log: Path | None = None,
) -> None:
    """Add blocks of passes to `rows` until it holds `TURNS` of each part.

    The parts are timed in random groups (`time_together`). All have one block before any has two, so that a slow moment
    of the machine or a change of its clock rate meets one block of many parts instead of all blocks of a few.

    Args:
        parts: the parts, from `space_parts`.
        rows: keeps each block as soon as its group is timed.
        space: the search space.
        size: height and width of the image in pixels.
        device: where the parts run.
        threads: CPU threads.
        seconds: about how long all blocks of a part take together.
        log: file for plain progress lines.
    """

    def timed(group: Sequence[Part], duration: float) -> list[float]:
        calls = [build_part(part, space, size, device) for part in group]
        return time_together(calls, threads=threads, seconds=duration)

    missing = [[part for part in parts if len(rows.blocks[part]) <= turn] for turn in range(TURNS)]
    with Progress("latency table", sum(map(len, missing)), log) as progress, rows:
        if rows.note is not None:
            progress.note(rows.note)
        if missing[-1]:
            # The first passes of a process are slow, whatever they compute; they are timed and thrown away.
            timed(parts[:1], WARMUP_SECONDS)
        for turn, left in enumerate(missing):
            for group in _groups(left, parts, turn):
                for part, milliseconds in zip(group, timed(group, seconds / TURNS), strict=True):
                    if len(rows.blocks[part]) <= turn:
                        rows.add(part, milliseconds)
                        progress.advance(ms=milliseconds)


def _groups(left: Sequence[Part], parts: Sequence[Part], turn: int) -> list[list[Part]]:
    """Random groups of `GROUP` to twice as many parts that hold `left`; a few left ones get company."""
    if not left:
        return []
    random = Random(turn)
    chosen = random.sample(left, len(left))
    if len(chosen) < GROUP:
        others = [part for part in parts if part not in set(left)]
        chosen += random.sample(others, min(len(others), GROUP - len(chosen)))
    count = max(1, len(chosen) // GROUP)
    return [chosen[start::count] for start in range(count)]
