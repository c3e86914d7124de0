"""The budget of optimiser steps, which is the same for every method."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.baselines import BASELINES
from lbt.config.network_jobs import TablesJob
from lbt.data.splits import read_split, steps_for, training_samples


@dataclass(frozen=True)
class Budgets:
    """Optimiser steps in words.

    Attributes:
        method: of every method.
        baseline: of every baseline.
    """

    method: str
    baseline: str

    def of(self, name: str) -> str:
        """That of a method or baseline."""
        return self.baseline if name in BASELINES else self.method


def describe_budgets(split: Path, settings: TablesJob) -> Budgets:
    """The optimiser steps of the methods and of the baselines."""
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    teacher = len(read_split(split, "teacher_train"))
    steps = (
        steps_for(warmup.epochs, teacher, warmup.batch_size),
        steps_for(search.epochs, teacher, search.batch_size),
        steps_for(retrain.epochs, len(training_samples(split)), retrain.batch_size),
    )
    text = f"warm-up {steps[0]} + search {search.rounds} x {steps[1]} + retrain {steps[2]} steps"
    if search.cosearch:
        text += ", with a co-searched network of the same budget to distil from"
    text += ", retrained from the supernet's weights" if retrain.initial == "supernet" else ""
    return Budgets(text, f"retrain {steps[2]} steps from random weights")
