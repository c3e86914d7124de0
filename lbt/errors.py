"""The exceptions that are meant for the user of the tool."""

from __future__ import annotations

import signal


class LbtError(Exception):
    """Something the user can mend: the message names the file or key, what was found and what to do.

    The command line prints it without a traceback and exits with `exit_code`. Every other exception is a defect of the
    project and keeps its traceback.
    """

    exit_code = 1


class Stopped(LbtError):
    """A signal ended the run at a place from which it can go on; the exit code is a shell's, 128 and the signal.

    Args:
        where: what was saved.
        by: the signal.
    """

    def __init__(self, where: str, by: signal.Signals) -> None:
        super().__init__(f"{where}, then stopped by {by.name}. The same command goes on from there.")
        self.exit_code = 128 + by
