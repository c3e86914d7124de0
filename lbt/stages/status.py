"""The status of a run: jobs that are done, at work, waiting in Slurm's queue, or failed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lbt.errors import LbtError, visible
from lbt.files import read_json
from lbt.stages.failure_summary import describe_failure
from lbt.stages.job_message import RUNNING, JobMessage, find_messages
from lbt.stages.run_log import PROGRESS, describe_waiting
from lbt.stages.slurm import QueuedJob, queued_jobs


def describe_status(run: Path) -> str:
    """Where a run stands, as text.

    Args:
        run: the folder of the run, such as `results/default`.

    Raises:
        LbtError: no run has started in the folder.
    """
    logs = run / "logs"
    if not (logs / PROGRESS).exists():
        raise LbtError(f"{logs / PROGRESS}: is missing, so no run has started in {run}. Name the folder of a run.")
    progress = read_json(logs / PROGRESS)
    progress = progress if isinstance(progress, dict) else {}
    folders = progress.get("folders")
    queue = queued_jobs([str(folder) for folder in folders] if isinstance(folders, list) else []) or []
    alive = {job.number for job in queue if not job.waits}
    messages = find_messages(logs)
    working = {name: message for name, message in messages.items() if _works(message, alive)}
    failed = {name: message for name, message in messages.items() if name not in working}
    waiting = [job for job in queue if job.waits]
    lines = [f"{run}: {_count(progress, working, waiting, failed)}", _activity(progress)]
    for title, part in (
        ("at work", [f"  {name}, {_since(message)}" for name, message in working.items()]),
        ("waiting", [f"  {describe_waiting(job)}" for job in waiting]),
        ("failed", [line for name, message in failed.items() for line in describe_failure(logs, name, message)]),
    ):
        if part:
            lines += ["", title, *part]
    return "\n".join(map(visible, lines))


def _works(message: JobMessage, alive: set[str]) -> bool:
    if message.kind != RUNNING:
        return False
    if message.slurm_job:
        return message.slurm_job in alive
    return message.host != socket.gethostname() or _exists(message.pid)


def _exists(pid: int) -> bool:
    return pid > 0 and os.path.exists(f"/proc/{pid}")


def _count(
    progress: Mapping[str, Any],
    working: Mapping[str, JobMessage],
    waiting: list[QueuedJob],
    failed: Mapping[str, JobMessage],
) -> str:
    done, total = progress.get("done"), progress.get("total")
    of = f"{done} of {total} jobs done" if total else "no job done yet"
    return f"{of}, {len(working)} at work, {len(waiting)} in Slurm's queue, {len(failed)} failed."


def _activity(progress: Mapping[str, Any]) -> str:
    pid, host = progress.get("pid"), progress.get("host")
    if host != socket.gethostname():
        return f"It was started on {host}, process {pid}."
    return f"Snakemake is at work, process {pid}." if isinstance(pid, int) and _exists(pid) else "Snakemake has ended."


def _since(message: JobMessage) -> str:
    where = f"Slurm job {message.slurm_job} on {message.host}" if message.slurm_job else f"process {message.pid}"
    return f"{where}, for {max(0.0, time.time() - message.started) / 60:.0f} min"
