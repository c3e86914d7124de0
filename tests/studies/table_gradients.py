"""Do the gradients of teacher and student lead to better networks? Their cosines with dV/dA of a table.

At the state with which the searches of a seed begin (supernet and student after their warm-ups, the first A), T, S and
A are held fixed. Both terms of stage 3 are averaged over fresh batches, the first ones being those of round 1. They are
estimated as the settings of the run say, so as `lbt-best` estimates them. Their sum has the weights of the search: with
`student_term: matched` the student's gradient gets the root mean square norm of the teacher's.

A search descends, and V is to rise, so the cosine is that of the negative gradient. The softmax ignores a number that
is added to all logits of a row. This shift, the mean of a row of the gradient, is removed from every gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from frozen_state import Estimate, FrozenState, flatten, signal_to_noise
from measured import measure_once

from lbt.config import SpaceSettings
from lbt.config.read import read_settings
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.files import sha256
from lbt.pseudo_labels.shard_format import PseudoLabels, ShardIdentity
from lbt.runtime.device import prepare_device
from lbt.runtime.distributed import ALONE
from lbt.search.batches import RoundStreams
from lbt.search.methods.lbt import METHOD
from lbt.search.state import start_round
from lbt.space.architecture import architecture_from_json, architecture_shapes, architecture_to_json
from lbt.tabular.table import Table

SUMS, STEPS = 8, 32
"""Sums of a term's gradient, and steps of a sum."""
GRADIENTS = ("teacher", "student", "sum")
Row = dict[str, Any]


def first_gradients(run: Path, seed: int, file: Path, sums: int, steps: int) -> dict[str, Any]:
    """The gradients at the first state of a seed, measured once.

    Args:
        run: folder of a run with `lbt`, whose first round has its labels.
        seed: of the search.
        file: keeps the measurement.
        sums, steps: number of sums, at least 2, and steps of each.

    Returns:
        `architecture`, the logits; `teacher` and `student`, sums of the gradients as vectors (see `flatten`); `factor`
        on the student's; `steps`.

    Raises:
        LbtError: a file of the run is missing or damaged; see `measure_once` too.
    """
    settings = read_settings(run / "settings.yaml")
    warmup, student = (run / stage / f"seed-{seed}" / "checkpoint.pt" for stage in ("warmup", "student_warmup"))
    identity = {"warmup": sha256(warmup), "student": sha256(student), "sums": sums, "steps": steps}
    identity |= {"search": settings.search.model_dump(mode="json")}

    def measure() -> dict[str, Any]:
        state = FrozenState(_begin_search(run, settings, seed, warmup, student, sums * steps), [estimate])
        names = {"teacher": "+".join(estimate.width_passes), "student": estimate.name}
        totals: dict[str, list[np.ndarray]] = {term: [] for term in names}
        squares = dict.fromkeys(names, 0.0)
        for number in range(sums):
            found = [[step[term, name] for term, name in names.items()] for step in state.gradients(number, steps)]
            for term, vectors in zip(names, zip(*found, strict=True), strict=True):
                totals[term].append(np.sum(vectors, axis=0))
                squares[term] += float(np.square(vectors).sum())
            print(f"first gradients seed-{seed}: {(number + 1) * steps} of {sums * steps} steps", flush=True)
        matched = settings.search.student_term == "matched"
        ratio = (squares["teacher"] / squares["student"]) ** 0.5 if matched else 1.0
        facts = {"factor": settings.search.student_weight * ratio, "steps": steps}
        facts |= {"architecture": architecture_to_json(state.study.state.architecture)}
        return facts | {term: [vector.tolist() for vector in vectors] for term, vectors in totals.items()}

    search = settings.search
    estimate = Estimate(search.student_memory, search.label_steps, tuple(search.width_passes))
    return measure_once(file, identity, measure)


def _begin_search(run: Path, settings: Any, seed: int, warmup: Path, student: Path, steps: int) -> SimpleNamespace:
    """What `FrozenState` reads, with `steps` batches."""
    device, classes = prepare_device(settings.compute), class_table(settings.data)
    state = start_round(
        warmup,
        None,
        student,
        classes=classes.names,
        space=settings.space,
        search=settings.search,
        seed=seed,
        method=METHOD,
        round=1,
        device=device,
        processes=ALONE,
    )
    state.partner.begin_round("first gradients", 1.0, warmup)
    folder = run / "search" / "lbt" / f"seed-{seed}" / "round-1" / "pseudo_labels"
    shards = sorted(folder.glob("probability-*.h5"))
    if not shards:
        raise LbtError(f"{folder}: holds no probabilities. Search with keep_every: 1, which keeps those of round 1.")
    identity = ShardIdentity(round=1, method="lbt", seed=seed, teacher=sha256(warmup), code="")
    labels, split = PseudoLabels(shards, classes.names, identity), run / "data" / "split.csv"
    workers, size = settings.compute.workers, settings.search.batch_size
    streams = RoundStreams(seed, 1, split, classes, settings.data, settings.augmentation, device, workers)
    return SimpleNamespace(
        seed=seed,
        space=settings.space,
        search=settings.search,
        table=None,  # the terms do not read latencies
        state=state,
        validation=streams.labelled("teacher_val", "teacher_val", steps, size),
        batches=state.partner.batches(streams, steps, labels),
    )


def remove_shift(vector: np.ndarray, space: SpaceSettings) -> np.ndarray:
    """A vector of `flatten` without the mean of each row of logits."""
    rest, start = np.empty_like(vector), 0
    for _, (rows, columns) in sorted(architecture_shapes(space).items()):
        part = vector[start : start + rows * columns].reshape(rows, columns)
        rest[start : start + part.size] = (part - part.mean(1, keepdims=True)).ravel()
        start += part.size
    return rest


def compare_with_value(measured: Mapping[str, Any], table: Table, part: str) -> list[Row]:
    """Cosines of the negative mean gradients of a seed with dV/dA, without the shift.

    | column | value |
    |---|---|
    | `logits` | `all`, or `deciding`: those on which V depends |
    | `gradient` | `teacher`, `student`, `sum` |
    | `cosine` | with dV/dA; noise of the mean gradient brings it nearer to 0 |
    | `snr2` | squared signal-to-noise ratio of a step; see `signal_to_noise` |
    """
    architecture = architecture_from_json(measured["architecture"], table.space)
    value = remove_shift(flatten(table.gradient(architecture, part)), table.space)
    both = [[remove_shift(np.array(v), table.space) for v in measured[term]] for term in GRADIENTS[:2]]
    found: dict[str, Sequence[np.ndarray]] = dict(zip(GRADIENTS, both, strict=False))
    found["sum"] = [t + measured["factor"] * s for t, s in zip(*both, strict=True)]
    rows = []
    for logits, chosen in (("all", np.full(value.shape, True)), ("deciding", value != 0)):
        for name, sums in found.items():
            mean, target = np.mean(sums, axis=0)[chosen], value[chosen]
            cosine = -float(mean @ target / np.linalg.norm(mean) / np.linalg.norm(target))
            snr2 = signal_to_noise([v[chosen] for v in sums], measured["steps"])
            rows.append({"logits": logits, "gradient": name, "cosine": cosine, "snr2": snr2})
    return rows
