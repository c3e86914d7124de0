"""What a running workflow says: one line a job on the terminal, the progress in a file, and why jobs failed."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lbt.errors import LbtError, visible
from lbt.stages.job_log import read_log
from lbt.stages.job_message import NOT_STARTED, JobMessage, message_file, read_message, write_message
from lbt.stages.run_progress import RunProgress
from lbt.stages.slurm import end_state
from lbt.views.run_state import describe_seconds

_COMMAND = re.compile(r"set -euo .*(python -m lbt stage \w+) .*")
_LONGEST = 160
_MOST_LINES = 4
_NAME_WIDTH = 44
_NOISE = re.compile(
    r"No SLURM account given|Unable to guess SLURM account|No account was given, not able to get a SLURM"
)
"""Warnings of the Slurm plugin on clusters without accounting. They are no news: `slurm_account` is in the profile."""
_SELECTION = "Select jobs to execute..."
_USUAL = ("Missing output files", "Input files updated by another job")
"""Reasons to run a job that are no news."""


class RunLog(logging.Filter):
    """Reads the records of Snakemake's logger (`LogEvent`), notes what happened and shortens them.

    Args:
        logs: folder of the jobs' logs.
        progress: of the run at its start.
        changed: is called after a job has started or ended.
        submitted: is called at each job that another machine runs.
        left: the seconds until the end of the run; None if unknown.
    """

    def __init__(
        self,
        logs: Path,
        progress: RunProgress,
        *,
        changed: Callable[[], None],
        submitted: Callable[[], None],
        left: Callable[[], float | None],
    ) -> None:
        super().__init__()
        self._logs, self._progress = logs, progress
        self._changed, self._submitted, self._left = changed, submitted, left
        self._jobs: dict[object, _Started] = {}
        self._ended: list[_Started] = []
        self._lock = threading.RLock()  # some records come from threads of the executor
        progress.write(logs)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is shown; it may be another one afterwards."""
        event = str(getattr(record, "event", None) or "")
        with self._lock:
            if event in ("job_info", "job_started", "job_finished"):
                self._follow(event, record)
                return False
            if event == "progress":
                return self._show_ended(record)
            if event == "job_error":
                self._fail(record)
                self._changed()
            elif event == "error":
                record.msg = _without_job(str(record.msg))
        text = str(record.msg)
        return not (text == _SELECTION or (record.levelno == logging.WARNING and _NOISE.match(text)))

    def end(self, state: str) -> None:
        """Note how the run ended.

        Args:
            state: `finished` or `failed`.
        """
        with self._lock:
            self._progress = replace(self._progress, state=state)
            self._write()

    def _follow(self, event: str, record: Any) -> None:
        """A job starts or has ended; nothing is shown before its progress is known too."""
        if event == "job_info":
            log = Path(record.log[0]) if record.log else None
            self._jobs[record.jobid] = _Started(str(record.rule_name), log, str(record.reason), bool(record.local))
            if record.local:
                here = sum(job.is_local for job in self._jobs.values())
                self._progress = replace(self._progress, at_once=max(here, self._progress.at_once))
            else:
                self._submitted()
        elif event == "job_finished" and (job := self._jobs.pop(record.job_id, None)) is not None:
            self._ended.append(job)
            self._progress = self._progress.count(job.stage)
        self._changed()

    def _show_ended(self, record: Any) -> bool:
        """Turn a record of the progress into lines for the jobs that have ended."""
        done, total = getattr(record, "done", 0), getattr(record, "total", 0)
        self._progress = replace(self._progress, done=done, total=total)
        self._write()
        left, ended = self._left(), [job for job in self._ended if job.log is not None]
        self._ended.clear()
        width = len(str(total))
        end = f"about {describe_seconds(left)} left" if left and done < total else ""
        lines = [f"{done:>{width}} of {total}  {job.describe()}  {end}".rstrip() for job in ended]
        record.event, record.msg = None, "\n".join(lines)
        return bool(lines)

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

    def _write(self) -> None:
        try:
            self._progress.write(self._logs)
        except LbtError as error:
            logging.getLogger(__name__).warning("%s", error)


class _Started:
    """A job that has started: its stage, its log if it has one, why it runs, and whether this machine runs it."""

    def __init__(self, stage: str, log: Path | None, reason: str, is_local: bool) -> None:
        self.stage, self.log, self.is_local, self._reason = stage, log, is_local, reason

    def describe(self) -> str:
        """Name and time, and the reason if it is not the usual one."""
        name = visible(self.log.stem if self.log else self.stage)
        found = read_log(self.log) if self.log else None
        time = describe_seconds(found.seconds) if found and found.stage else ""
        news = [part for part in self._reason.split("; ") if part and not part.startswith(_USUAL)]
        return f"{name:<{_NAME_WIDTH}} {time:>8}" + (f"  ({_cut('; '.join(news))})" if news else "")


def _without_job(text: str) -> str:
    """A message without the description of a job, which is a page of JSON, and without long calls."""
    lines = [_cut(_COMMAND.sub(r"\1 ...", line)) for line in text.splitlines()]
    return "\n".join(lines[:_MOST_LINES])


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."
