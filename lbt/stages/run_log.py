"""Output of a running workflow: short lines for the terminal, progress, and jobs that can never start."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lbt.files import write_text
from lbt.stages.job_message import NOT_STARTED, JobMessage, message_file, read_message, write_message
from lbt.stages.slurm import QueuedJob, end_state, queued_jobs

PROGRESS = "progress.json"
PATIENCE = 120.0
"""Seconds that a job may wait for a reason that does not pass before the run says so."""
_PAUSE = 20.0
_COMMAND = re.compile(r"set -euo .*(python -m lbt stage \w+) .*")
_LONGEST = 160
_MOST_LINES = 4
_NOISE = re.compile(
    r"No SLURM account given|Unable to guess SLURM account|No account was given, not able to get a SLURM"
)
"""Warnings of the Slurm plugin on clusters without accounting. They are no news: `slurm_account` is in the profile."""


class RunLog(logging.Filter):
    """Reads the records of Snakemake's logger (`LogEvent`), notes what happened and shortens them.

    Args:
        logs: folder of the jobs' logs.
        folders: as in `QueueWatch`.
        watch: is called at the first job that another machine runs.
    """

    def __init__(self, logs: Path, folders: Sequence[str], watch: Callable[[], None]) -> None:
        super().__init__()
        self._logs, self._watch = logs, watch
        self._process = {"host": socket.gethostname(), "pid": os.getpid(), "folders": list(folders)}
        self._write_progress(0, None)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown; it may be another one afterwards."""
        event = str(getattr(record, "event", None) or "")
        if event == "job_info":
            self._start(record)
        elif event == "job_error":
            self._fail(record)
        elif event == "progress":
            self._write_progress(getattr(record, "done", 0), getattr(record, "total", None))
        elif event == "error":
            record.msg = _without_job(str(record.msg))
        return not (record.levelno == logging.WARNING and _NOISE.match(str(record.msg)))

    def _start(self, record: Any) -> None:
        """A job starts: the name of its log says which one it is."""
        name = f"{Path(record.log[0]).stem}, log: {record.log[0]}" if record.log else record.rule_name
        record.rule_msg = record.rule_msg or name  # without a message Snakemake lists all files
        record.reason = _cut(record.reason)
        if not record.local:
            self._watch()

    def _fail(self, record: Any) -> None:
        """A job failed: keep what Slurm says of it, and leave the long lists to its log."""
        text = _without_job(record.rule_msg or "")
        number = str(record.aux.get("external_jobid", ""))
        if record.log:
            self._note(Path(record.log[0]), text, number)
        record.rule_msg = text
        record.msg = record.msg if text else ""  # otherwise the terminal shows an empty message
        record.input = record.output = []
        record.shellcmd = record.conda_env = None

    def _note(self, log: Path, text: str, number: str) -> None:
        message = read_message(message_file(log))
        if message is None:
            unsaid = "It ended before it could leave a message; Snakemake's log has what it printed"
            message = JobMessage(f"It could not be started: {text}" if text else f"{unsaid}.", NOT_STARTED)
        if number and message.slurm_job in ("", number):
            message = replace(message, slurm_job=number, slurm_state=end_state(number))
        write_message(log, message)

    def _write_progress(self, done: int, total: int | None) -> None:
        write_text(self._logs / PROGRESS, json.dumps({"done": done, "total": total, **self._process}) + "\n")


def _without_job(text: str) -> str:
    """A message without the description of a job, which is a page of JSON, and without long calls."""
    lines = [_cut(_COMMAND.sub(r"\1 ...", line)) for line in text.splitlines()]
    return "\n".join(lines[:_MOST_LINES])


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


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


def follow_run(logger: logging.Logger, logs: Path) -> None:
    """Shorten what a run says from now on, and watch the jobs that it submits.

    Args:
        logger: Snakemake's.
        logs: folder of the jobs' logs.
    """
    folders = submission_folders()
    logger.addFilter(RunLog(logs, folders, QueueWatch(folders, logger.warning).start))


def submission_folders() -> list[str]:
    """Names of the folder from which the jobs are submitted; with `snakemake -d` it is not the working directory."""
    return sorted({os.getcwd(), os.path.realpath(os.getcwd()), os.environ.get("PWD", os.getcwd())})
