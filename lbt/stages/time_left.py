"""The time until a run ends, from the measured times of its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from lbt.config import Settings

TYPICAL = {
    "scenes": 7.0,
    "split": 0.3,
    "class_pixels": 1.8,
    "latency": 16.4,
    "warmup": 15.9,
    "student_warmup": 2.4,
    "label": 3.6,
    "gallery": 2.3,
    "round": 18.5,
    "operators": 60.0,
    "candidates": 60.0,
    "derive": 1.7,
    "profile": 3.6,
    "retrain": 1.9,
    "retrain_guide": 1.9,
    "evaluate_supernet": 5.1,
    "evaluate_network": 3.1,
    "evaluate_constant": 1.7,
    "pack": 2.2,
    "tables": 3.8,
    "compare": 6.3,
    "draw": 7.4,
    "cards": 0.5,
    "tabular_scores": 1.9,
    "tabular_latency": 60.0,
    "tabular_table": 3.0,
}
"""Seconds of a job of each stage in the default run on two cores; of a stage that trains, seconds an epoch
(and network). Only their ratios matter, and only until the first job of a stage has ended."""
ALONE = ("latency", "tabular_latency", "profile", "tables", "draw", "compare", "cards")
"""Stages whose jobs run one after the other: they take all cores, or come at the end."""
_OTHERS = 2.0
_LEAST_MEASURED = 5.0
"""Seconds of finished jobs before which no time is told."""
_LEAST_SPEED = 0.1


@dataclass(frozen=True)
class TimeLeft:
    """An estimate.

    Attributes:
        seconds: until the end; None as long as too little is measured.
        guessed: stages of which no job has ended yet.
    """

    seconds: float | None
    guessed: Sequence[str] = ()


@dataclass(frozen=True)
class Working:
    """A job at work: its stage, the seconds since it started, and the seconds left by its own estimate."""

    stage: str
    seconds: float
    left: float | None = None


def typical_seconds(settings: Settings) -> dict[str, float]:
    """Seconds of a job of each stage in a typical run of these settings, for the stages in `TYPICAL`."""
    search = settings.search
    epochs = {
        "warmup": settings.warmup.epochs,
        "student_warmup": search.student.warmup_epochs,
        "round": search.epochs,
        "retrain": settings.retrain.epochs,
        "retrain_guide": settings.retrain.epochs,
        "tabular_scores": settings.retrain.epochs * (settings.tabular.per_job if settings.tabular else 1),
    }
    return {stage: seconds * epochs.get(stage, 1) for stage, seconds in TYPICAL.items()}


def estimate_left(
    planned: Mapping[str, int],
    ended: Mapping[str, int],
    measured: Mapping[str, Sequence[float]],
    typical: Mapping[str, float],
    working: Sequence[Working],
    passed: float,
    at_once: int = 0,
) -> TimeLeft:
    """The work that is left, divided by the speed so far.

    Work is the time of single jobs. A stage's job takes the mean of the measured ones. Before there is one, it takes
    its typical time, scaled by how the finished stages compare with theirs; a stage without one counts two seconds.
    The speed is the number of jobs at a time: the largest of that of now, of the mean so far, and of `at_once`. Nothing
    ends before the longest job at work. The stages in `ALONE` gain nothing from further cores.

    Args:
        planned, ended: jobs of this start by stage.
        measured: seconds of finished jobs by stage.
        typical: see `typical_seconds`.
        working: jobs at work.
        passed: seconds since this start.
        at_once: the most jobs that this machine has run at a time; 0 where others run them, whose queues nobody knows.
    """
    total = sum(map(sum, measured.values()))
    if total < _LEAST_MEASURED:
        return TimeLeft(None)
    known = {stage: times for stage, times in measured.items() if stage in typical}
    expected = sum(len(times) * typical[stage] for stage, times in known.items())
    scale = sum(map(sum, known.values())) / expected if expected else 1.0
    stages = {*planned, *ended, *(job.stage for job in working)}
    of_job = {s: mean(measured[s]) if measured.get(s) else scale * typical.get(s, _OTHERS) for s in stages}
    done = sum(number * of_job[stage] for stage, number in ended.items()) + sum(job.seconds for job in working)
    waiting = {s: n - ended.get(s, 0) - sum(job.stage == s for job in working) for s, n in planned.items()}
    to_start = {stage: max(0, number) * of_job[stage] for stage, number in waiting.items()}
    at_work = [max(0.0, of_job[j.stage] - j.seconds) if j.left is None else j.left for j in working]
    alone = sum(to_start.get(stage, 0.0) for stage in ALONE)
    left = sum(to_start.values()) - alone + sum(at_work)
    speed = max(_LEAST_SPEED, done / passed if passed > 0 else 1.0, len(working), at_once)
    guessed = [s for s, number in planned.items() if ended.get(s, 0) < number and not measured.get(s)]
    heavy = [stage for stage in guessed if planned[stage] * of_job[stage] > 0.1 * (left + alone)]
    return TimeLeft(max(left / speed, *at_work, 0.0) + alone, heavy)
