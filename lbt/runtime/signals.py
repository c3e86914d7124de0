"""Signals that a loop looks at between two of its steps, instead of being cut off in the middle of one."""

from __future__ import annotations

import signal
import threading

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Save and end: Slurm's time limit, a cancelled job, Ctrl-C, a terminal that was closed."""
SAVE = (signal.SIGUSR1,)
"""Save and go on: Slurm's warning before the time limit (`--signal`)."""


def handled_signals() -> list[signal.Signals]:
    """The signals that count; not SIGHUP under `nohup`, which has it ignored so that a closed terminal ends nothing."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in (*STOP, *SAVE) if number != signal.SIGHUP or not ignored]


class Signals:
    """Notes signals while it is entered; the handlers do nothing else, and are those of before afterwards.

    Only a process's main thread can receive signals; entered in another one it notes none.

    Attributes:
        stop: the last signal of `STOP`, or None.
        save: whether a signal of `SAVE` came since the caller last put it back.
    """

    def __init__(self) -> None:
        self.stop: signal.Signals | None = None
        self.save = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in handled_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, _: object) -> None:
        if number in STOP:
            self.stop = signal.Signals(number)
        else:
            self.save = True


def leave_to_parent(_: int = 0) -> None:
    """Ignore these signals in a helper process: a cluster sends them to all, and the parent decides when it ends."""
    for number in (*STOP, *SAVE):
        signal.signal(number, signal.SIG_IGN)
