"""Where a run stands: jobs that are done, at work, waiting in Slurm's queue, or failed, and the time left."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from lbt.errors import LbtError, visible
from lbt.files import read_json
from lbt.stages.failure_summary import describe_failure
from lbt.stages.job_log import JobLog, read_log, read_times
from lbt.stages.job_message import RUNNING as AT_WORK
from lbt.stages.job_message import JobMessage, find_messages
from lbt.stages.queue_watch import describe_waiting
from lbt.stages.run_progress import RunProgress, read_progress
from lbt.stages.slurm import queued_jobs
from lbt.stages.time_left import Working, estimate_left
from lbt.views.run_state import FAILED, FINISHED, RUNNING, STOPPED, RunState, StageState, WorkingJob


def read_state(run: Path) -> RunState:
    """Where a run stands.

    Args:
        run: the folder of the run, such as `results/default`.

    Raises:
        LbtError: no run has started in the folder.
    """
    logs, now = run / "logs", time.time()
    progress = read_progress(logs)
    queue = queued_jobs(list(progress.folders)) or []
    alive = {job.number for job in queue if not job.waits}
    messages = find_messages(logs)
    jobs = [_Job(name, m, read_log(logs / f"{name}.log"), now) for name, m in messages.items() if _works(m, alive)]
    failed = [name for name in messages if name not in {job.name for job in jobs}]
    state, activity = _activity(progress, bool(failed))
    times = read_times(logs)
    working = [Working(job.message.stage, job.seconds, job.left) for job in jobs]
    left = estimate_left(
        progress.planned, progress.ended, times, progress.typical, working, now - progress.started, progress.at_once
    )
    stages = [
        StageState(visible(stage), number, progress.ended.get(stage, 0), mean(times[stage]) if stage in times else None)
        for stage, number in progress.planned.items()
    ]
    return RunState(
        state=state,
        activity=visible(activity),
        now=now,
        started=progress.started,
        done=progress.done,
        total=progress.total,
        left=left.seconds if state == RUNNING else None,
        guessed=[visible(stage) for stage in left.guessed],
        stages=stages,
        working=[job.describe() for job in jobs],
        waiting=[visible(describe_waiting(job)) for job in queue if job.waits],
        failed=[describe_failure(logs, name, messages[name]) for name in failed],
        warnings=_read_warnings(run),
    )


@dataclass(frozen=True)
class _Job:
    """A job at work: its message and the end of its log."""

    name: str
    message: JobMessage
    log: JobLog | None
    now: float

    @property
    def seconds(self) -> float:
        return max(0.0, self.now - self.message.started)

    @property
    def left(self) -> float | None:
        """By its own estimate, less the time since it was written."""
        if self.log is None or self.log.step is None or self.log.step.step < 2:
            return None
        return max(0.0, self.log.step.left - (self.now - self.log.changed))

    def describe(self) -> WorkingJob:
        message, step = self.message, self.log.step if self.log is not None else None
        where = f"Slurm job {message.slurm_job} on {message.host}" if message.slurm_job else f"process {message.pid}"
        job = WorkingJob(visible(self.name), visible(where), self.seconds, left=self.left)
        return job if step is None else replace(job, step=step.step, steps=step.total, values=step.values)


def _works(message: JobMessage, alive: set[str]) -> bool:
    if message.kind != AT_WORK:
        return False
    if message.slurm_job:
        return message.slurm_job in alive
    return message.host != socket.gethostname() or _exists(message.pid)


def _exists(pid: int) -> bool:
    return pid > 0 and os.path.exists(f"/proc/{pid}")


def _activity(progress: RunProgress, has_failed: bool) -> tuple[str, str]:
    """The state, and what Snakemake does in words."""
    is_over = 0 < progress.total == progress.done and not has_failed and not _exists(progress.pid)
    if progress.state == FINISHED or is_over:
        return FINISHED, "Snakemake has ended."
    if progress.state == FAILED:
        return (FAILED if has_failed else STOPPED), "Snakemake has ended. Fix the cause and repeat the command."
    if progress.host != socket.gethostname():
        return RUNNING, f"It was started on {progress.host}, process {progress.pid}."
    if _exists(progress.pid):
        return RUNNING, f"Snakemake is running, process {progress.pid}."
    return STOPPED, "Snakemake has ended without a message. Repeat the command: it resumes."


def _read_warnings(run: Path) -> list[str]:
    """The warnings of the check of the data set."""
    with suppress(LbtError):
        report = read_json(run / "data" / "check.json")
        found: object = report.get("warnings") if isinstance(report, Mapping) else None
        return [visible(text) for text in found if isinstance(text, str)] if isinstance(found, list) else []
    return []
