"""The exceptions that are meant for the user of the tool."""

from __future__ import annotations

import signal

SIGNAL = 128
"""Exit codes above are those of a shell for a process that a signal ended: this plus the signal's number."""


class LbtError(Exception):
    """A problem that the user can fix: the message names the file or key, what was found and what to do.

    The command line prints it without a traceback and exits with `exit_code`. Any other exception is a defect of the
    project and keeps its traceback.
    """

    exit_code = 1


class Stopped(LbtError):
    """A signal stopped the run after its state was saved; the exit code is that of a shell.

    Args:
        where: what was saved.
        by: the signal.
    """

    def __init__(self, where: str, by: signal.Signals) -> None:
        super().__init__(f"{where}, then stopped by {by.name}. The same command resumes from there.")
        self.exit_code = SIGNAL + by
