"""Signals that a loop handles between two of its steps, so that none interrupts a step."""

from __future__ import annotations

import signal
import threading
from typing import Any

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Save and end: Slurm's time limit, a cancelled job, Ctrl-C, a terminal that was closed."""
SAVE = (signal.SIGUSR1,)
"""Save and continue: Slurm's warning before the time limit (`--signal`)."""


def handled_signals() -> list[signal.Signals]:
    """The signals that a loop handles; not SIGHUP under `nohup`, which ignores it so that a terminal may be closed."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in (*STOP, *SAVE) if number != signal.SIGHUP or not ignored]


class Signals:
    """Notes signals inside a `with` block, and restores the previous handlers at its end.

    Only the main thread of a process receives signals; in another thread it notes none.

    Attributes:
        stop: the last signal of `STOP`, or None.
        save: whether a signal of `SAVE` came since the caller last reset it.
    """

    def __init__(self) -> None:
        self.stop: signal.Signals | None = None
        self.save = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in handled_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, _: object) -> None:
        if number in STOP:
            self.stop = signal.Signals(number)
        else:
            self.save = True


def leave_to_parent(_: int = 0) -> None:
    """Ignore these signals in a helper process: a cluster sends them to every process, but the parent ends it."""
    for number in (*STOP, *SAVE):
        signal.signal(number, signal.SIG_IGN)
