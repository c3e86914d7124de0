"""The summary of failed jobs at the end of a run: the messages that they left, and the states that Slurm reports."""

from __future__ import annotations

from pathlib import Path

from lbt.errors import visible
from lbt.stages.job_message import RUNNING, JobMessage, find_messages
from lbt.stages.slurm import end_state, explain_end

_LINES = 12


def describe_failures(logs: Path, command: str, run_log: str) -> str:
    """What to print at the end of a failed run.

    Args:
        logs: folder of the jobs' logs.
        command: the command that started the run.
        run_log: Snakemake's own log of the run.
    """
    messages = find_messages(logs)
    count = {0: "The run was stopped, or a job could not be started.", 1: "1 job failed."}
    lines = ["", count.get(len(messages), f"{len(messages)} jobs failed.")]
    for name, message in messages.items():
        lines += ["", *describe_failure(logs, name, message)]
    lines += ["", f"Snakemake's log: {run_log}"]
    return "\n".join([*lines, "Fix the cause and repeat the command; finished results are kept:", f"  {command}", ""])


def describe_failure(logs: Path, name: str, message: JobMessage) -> list[str]:
    """Why one job failed, as lines.

    Args:
        logs: folder of the jobs' logs.
        name: of the job's log, without its ending.
        message: what the job left.
    """
    state = message.slurm_state or (end_state(message.slurm_job) if message.slurm_job else "")
    by_slurm = explain_end(message.slurm_job, state)
    text = message.text
    if by_slurm:
        text = by_slurm if message.kind == RUNNING else f"{by_slurm}\n{text}"
    first, *more = text.splitlines() or [""]
    lines = [name, f"  {first}", *(f"  {line}" for line in more[: _LINES - 1])]
    if len(more) >= _LINES:
        lines.append(f"  ... and {len(more) - _LINES + 1} more lines in the log")
    return list(map(visible, [*lines, f"  log: {logs / name}.log"]))
