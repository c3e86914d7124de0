"""The budget of optimiser steps, which is the same for every method."""

from __future__ import annotations

from pathlib import Path

from lbt.config.jobs import TablesJob
from lbt.data.splits import read_split, steps_for, training_samples


def describe_budget(split: Path, settings: TablesJob) -> str:
    """The optimiser steps of every method, in words."""
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
    return text + (", retrained from the supernet's weights" if retrain.initial == "supernet" else "")
