"""What a failed run says last: each failed job's message, where its log is, and how to go on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "error: "
"""Begins the message of a failed stage in its log."""

_LINES = 12
# What Slurm itself says of a job that it ended or could not start.
_FROM_SLURM = re.compile(
    r"^(slurmstepd|srun)\S* error: .*(CANCELLED|oom|out of memory|unable to (create|allocate|confirm)|launch.* failed)",
    re.IGNORECASE,
)
# A job that Slurm refused has no log of its own; Snakemake's quotes what `sbatch` said, and how it was called.
_REFUSED = re.compile(
    r"sbatch failed\. The error message was '(.*?)'\.\n +sbatch call:\n[^\n]*? --comment (\S+)", re.DOTALL
)


@dataclass(frozen=True)
class FailedJob:
    """A job that failed for good.

    Attributes:
        rule: its rule.
        wildcards: their values by name.
        log: the stage's log.
        scheduler_logs: folder of the logs that Slurm wrote of it; absent where it ran otherwise.
        comment: how the job is called in Slurm.
    """

    rule: str
    wildcards: Mapping[str, str]
    log: Path | None
    scheduler_logs: Path
    comment: str

    @property
    def name(self) -> str:
        """Rule and wildcards, such as `round (method lbt, seed 0, round 3)`."""
        values = ", ".join(f"{key} {value}" for key, value in self.wildcards.items())
        return f"{self.rule} ({values})" if values else self.rule


def failed_job(job, folder: Path = Path(".snakemake")) -> FailedJob:
    """From a job of Snakemake; `folder` is where Snakemake keeps its own files."""
    wildcards = dict(job.wildcards.items())
    rule, values = f"rule_{job.rule.name}", "_".join(wildcards.values()).replace("/", "_")
    comment = f"{rule}_wildcards_{values}" if values else rule
    log = Path(job.log[0]) if job.log else None
    return FailedJob(job.rule.name, wildcards, log, folder / "slurm_logs" / rule / values, comment)


def describe_failures(jobs: Sequence[FailedJob], command: str, run_logs: Sequence[Path] = ()) -> str:
    """What to print at the end of a failed run.

    Args:
        jobs: the jobs that failed; none where the run was stopped from outside.
        command: what started the run.
        run_logs: Snakemake's own logs of the run.
    """
    found = _REFUSED.findall("\n".join(line for log in run_logs for line in _read(log)))
    refused = {comment: text.splitlines() for text, comment in found}
    count = {0: "The run was stopped", 1: "1 job failed"}.get(len(jobs), f"{len(jobs)} jobs failed")
    lines = ["", f"{count}."]
    for job in sorted(jobs, key=lambda job: job.name):
        scheduler_log = _newest(job.scheduler_logs)
        message = _message(job.log, scheduler_log, refused.get(job.comment, []))
        lines += ["", job.name, *(f"  {line}" for line in message)]
        lines += [f"  log: {path}" for path in (job.log, scheduler_log) if path is not None and path.exists()]
    what = "Mend the cause and repeat" if jobs else "Repeat"
    return "\n".join([*lines, "", f"{what} the command; what is finished is kept:", f"  {command}", ""])


def _message(log: Path | None, scheduler_log: Path | None, refused: list[str]) -> list[str]:
    """The job's message, or the end of its log where it left none; a refused job's log is that of an attempt before."""
    lines = _read(log)
    starts = [index for index, line in enumerate(lines) if line.startswith(MARK)]
    if starts and not refused:
        message = [lines[starts[-1]].removeprefix(MARK), *lines[starts[-1] + 1 :]]
        more = len(message) - _LINES
        return message if more <= 0 else [*message[:_LINES], f"... and {more} more lines in the log"]
    reason = refused[:_LINES] or [line for line in _read(scheduler_log) if _FROM_SLURM.match(line)][:1]
    reason = reason or ["It left no message: it was killed, as for want of memory, or could not be started."]
    return reason + [f"last line of its log: {line}" for line in lines[-1:]]


def _read(path: Path | None) -> list[str]:
    if path is None or not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _newest(folder: Path) -> Path | None:
    return max(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, default=None)
