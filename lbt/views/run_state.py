"""Where a run stands, as pages and terminal show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RUNNING, FINISHED, FAILED, STOPPED = "running", "finished", "failed", "stopped"


@dataclass(frozen=True)
class StageState:
    """The jobs of one stage.

    Attributes:
        name: of the stage.
        planned: jobs of this start of the run.
        ended: those of them that are done.
        seconds: mean time of the jobs that were measured; None if none was.
    """

    name: str
    planned: int
    ended: int
    seconds: float | None = None


@dataclass(frozen=True)
class WorkingJob:
    """A job at work.

    Attributes:
        name: of its log, without the ending.
        where: process or Slurm job.
        seconds: since it started.
        step, steps: of its loop; 0 before the first step.
        values: the last losses and other values, by name.
        left: seconds that its loop still takes, by its own estimate.
    """

    name: str
    where: str
    seconds: float
    step: int = 0
    steps: int = 0
    values: Mapping[str, str] = field(default_factory=dict)
    left: float | None = None


@dataclass(frozen=True)
class RunState:
    """A run, as far as the files in its folder tell.

    Attributes:
        state: `running`, `finished`, `failed` or `stopped`.
        activity: what Snakemake does, in words.
        now: when this was read, in seconds since 1970.
        started: when this start of the run began.
        done, total: jobs of this start.
        left: seconds until its end; None if unknown.
        guessed: stages whose time is a guess, because no job of theirs has ended yet.
        stages: in the order of their first job.
        working: jobs at work.
        waiting: sentences on jobs in Slurm's queue.
        failed: lines on each failed job, the first with its name.
        warnings: of the data set.
    """

    state: str
    activity: str
    now: float
    started: float = 0.0
    done: int = 0
    total: int = 0
    left: float | None = None
    guessed: Sequence[str] = ()
    stages: Sequence[StageState] = ()
    working: Sequence[WorkingJob] = ()
    waiting: Sequence[str] = ()
    failed: Sequence[Sequence[str]] = ()
    warnings: Sequence[str] = ()

    @property
    def share(self) -> float:
        """Share of the time of this start that has passed, in [0, 1]; the share of the jobs if no time is known."""
        if self.state == FINISHED:
            return 1.0
        passed = max(0.0, self.now - self.started)
        if self.left is not None and passed + self.left > 0:
            return passed / (passed + self.left)
        return self.done / self.total if self.total else 0.0


def describe_seconds(seconds: float) -> str:
    """A time in words, such as `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, rest = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"
