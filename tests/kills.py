"""Runs stages in separate processes and kills them at a chosen moment; `lbt` itself has no code for this.

The processes are forks of a server that has already imported PyTorch, so that they start quickly.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PRELOADED = [
    "lbt.__main__",
    "lbt.search.warmup",
    "lbt.search.student_warmup",
    "lbt.search.round",
    "lbt.training.retrain",
    "torch._decomp.decompositions_for_jvp",
]


@dataclass(frozen=True)
class Kill:
    """A signal that a process sends itself.

    Attributes:
        at: `step` (a step was counted), `in save` (half of the side file is written), `before rename` or `after rename`
            of the side file, or `output` (before an output takes its name).
        count: at which of these events, from 1.
        by: the signal.
        delay: time between the event and the signal, as a fraction of the time that the last step took.
        group: whether the signal also goes to the helper processes.
    """

    at: str
    count: int
    by: signal.Signals = signal.SIGKILL
    delay: float = 0.0
    group: bool = False


def run_stage(arguments: Sequence[str], kills: Sequence[Kill] = ()) -> int:
    """Run `lbt ARGUMENTS` in a process with kills; returns its exit code, negative after a fatal signal."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_child, args=(list(arguments), list(kills)))
    process.start()
    process.join()
    return process.exitcode


def _child(arguments: list[str], kills: list[Kill]) -> None:
    import torch

    from lbt.__main__ import main
    from lbt.runtime.progress import Progress

    os.setpgid(0, 0)
    torch.set_num_threads(1)
    seen: dict[str, int] = {}
    times = [time.monotonic()]

    def event(at: str) -> None:
        seen[at] = seen.get(at, 0) + 1
        for kill in kills:
            if (kill.at, kill.count) == (at, seen[at]):
                send = os.killpg if kill.group else os.kill
                if kill.delay:
                    threading.Timer(kill.delay * (times[-1] - times[-2]), send, (os.getpid(), kill.by)).start()
                else:
                    send(os.getpid(), kill.by)

    def advance(progress: Progress, **values: float) -> None:
        real_advance(progress, **values)
        times.append(time.monotonic())
        event("step")

    def save(content: Any, file: io.BufferedWriter) -> None:
        whole = io.BytesIO()
        real_save(content, whole)
        half = whole.tell() // 2
        file.write(whole.getvalue()[:half])
        file.flush()
        if ".resume." in file.name:
            event("in save")
        file.write(whole.getvalue()[half:])

    def replace(source: str, target: str) -> None:
        resume = str(target).endswith(".resume")
        if not str(target).endswith(".error"):  # the job's message, which is not an output
            event("before rename" if resume else "output")
        real_replace(source, target)
        if resume:
            event("after rename")

    real_advance, real_save, real_replace = Progress.advance, torch.save, os.replace
    Progress.advance, torch.save, os.replace = advance, save, replace
    sys.exit(main(arguments))
