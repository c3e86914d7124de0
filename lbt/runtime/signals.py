"""Signals that a loop handles between two of its steps, so that none interrupts a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOP = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Save and end: Slurm's time limit, a cancelled job, Ctrl-C, a terminal that was closed."""
SAVE = frozenset({signal.SIGUSR1})
"""Save and continue: Slurm's warning before the time limit (`--signal`)."""


@contextmanager
def handle_signals(handler: Callable[[signal.Signals], object]) -> Iterator[None]:
    """Call `handler` for each of these signals inside the block, and restore the previous handlers at its end.

    Only the main thread of a process receives signals; in another thread the block changes nothing. Under `nohup`,
    SIGHUP stays ignored, so that a terminal may be closed.
    """
    numbers = STOP | SAVE if threading.current_thread() is threading.main_thread() else frozenset()
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers -= {signal.SIGHUP}
    previous = {number: signal.signal(number, lambda came, _: handler(signal.Signals(came))) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, signal.SIG_DFL if before is None else before)


def leave_to_parent(_: int = 0) -> None:
    """Ignore these signals in a helper process: a cluster sends them to every process, but the parent ends it."""
    for number in STOP | SAVE:
        signal.signal(number, signal.SIG_IGN)
