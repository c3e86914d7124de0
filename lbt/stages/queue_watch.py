"""Jobs in Slurm's queue that can never start: a running workflow looks for them and says why."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

from lbt.stages.slurm import QueuedJob, queued_jobs

PATIENCE = 120.0
"""Seconds that a job may wait for a reason that does not pass before the run says so."""
_PAUSE = 20.0


class QueueWatch:
    """Looks at Slurm's queue while a run waits, and says once which job can never start, and why.

    Args:
        folders: names of the folder from which the jobs are submitted.
        say: is given the sentence.
        ask: gives the jobs of the folder.
    """

    def __init__(
        self,
        folders: Sequence[str],
        say: Callable[[str], object],
        ask: Callable[[Sequence[str]], Sequence[QueuedJob] | None] = queued_jobs,
    ) -> None:
        self._folders, self._say, self._ask = folders, say, ask
        self._since: dict[tuple[str, str], float] = {}
        self._told: set[tuple[str, str]] = set()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from now on, in a thread that ends with the process."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_again, name="queue watch", daemon=True)
            self._thread.start()

    def look(self, now: float) -> None:
        """Look once.

        Args:
            now: time in seconds.
        """
        jobs = {(job.number, job.reason): job for job in self._ask(self._folders) or () if job.waits and job.hopeless}
        self._since = {key: self._since.get(key, now) for key in jobs}
        for key, job in jobs.items():
            if now - self._since[key] >= PATIENCE and key not in self._told:
                self._told.add(key)
                self._say(describe_waiting(job))

    def _look_again(self) -> None:
        while True:
            self.look(time.monotonic())
            time.sleep(_PAUSE)


def describe_waiting(job: QueuedJob) -> str:
    """Why a job does not start, in a sentence or two."""
    if not job.hopeless:
        return f"{job.name} (Slurm job {job.number}) waits for its turn: {job.reason}."
    return (
        f"{job.name} (Slurm job {job.number}) cannot start: {job.reason}. {job.hopeless}. Change the profile `slurm` "
        f"or ask the administrators, cancel it with `scancel {job.number}`, and repeat the command."
    )


def submission_folders() -> list[str]:
    """Names of the folder from which the jobs are submitted; with `snakemake -d` it is not the working directory."""
    return sorted({os.getcwd(), os.path.realpath(os.getcwd()), os.environ.get("PWD", os.getcwd())})
