"""One round of the search: the loop that all methods share.

Each step takes one step of the teacher's weights T, for methods that teach one of the student's weights S, and for
methods that search one of the architecture A. What a step does is the method's; budget and artefacts are common.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from lbt.artifacts import sha256, write_json
from lbt.compute import prepare_device
from lbt.config import (
    AugmentationSettings,
    ComputeSettings,
    DataSettings,
    EvaluationSettings,
    SearchSettings,
    SpaceSettings,
)
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset, training_loader
from lbt.data.splits import read_split
from lbt.latency.table import read_table
from lbt.metrics import write_metrics
from lbt.optimisation import GuardedStep, set_learning_rate
from lbt.progress import Progress
from lbt.search.architecture_step import NO_ARCHITECTURE_STEP, Method, StepContext
from lbt.search.calibration import calibrate_supernet
from lbt.search.methods import load_method
from lbt.search.pseudo_labeled import PseudoLabeledDataset
from lbt.search.pseudo_labels import PseudoLabels, ShardIdentity
from lbt.search.state import SearchState, identity_of, save_round, start_round
from lbt.search.weight_steps import NO_STUDENT, student_step, teacher_step
from lbt.seeding import derive_seed, generator
from lbt.space.architecture import architecture_to_json, entropies
from lbt.space.widths import gumbel_noise
from lbt.steps import steps_for

Batches = Iterator[tuple[Tensor, ...]]


def run(
    *,
    seed: int,
    method: str,
    round: int,
    data: DataSettings,
    augmentation: AugmentationSettings,
    space: SpaceSettings,
    search: SearchSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    split: Path,
    table: Path,
    previous: Path,
    checkpoint: Path,
    architecture: Path,
    metrics: Path,
    shards: Sequence[Path] = (),
    log: Path | None = None,
) -> None:
    """Run round `round` (from 1) from the checkpoint `previous` and write checkpoint, architecture and metrics."""
    device = prepare_device(compute)
    classes = class_table(data)
    chosen = load_method(method)
    state = start_round(
        previous, classes=classes.names, space=space, search=search, seed=seed, teaches=chosen.teaches, device=device
    )
    latency_table = read_table(table)
    parts = {role: read_split(split, role) for role in ("teacher_train", "teacher_val", "student_train", "student_val")}
    steps = steps_for(search.epochs, len(parts["teacher_train"]), search.batch_size)

    def stream(name: str, dataset, crop, batch_size: int, length: int = steps) -> Batches:
        loader = training_loader(
            dataset,
            data=data,
            augmentation=augmentation,
            crop=crop,
            batch_size=batch_size,
            seed=derive_seed(seed, name),
            steps=length,
            start=(round - 1) * length,
            workers=compute.workers,
        )
        return (tuple(tensor.to(device) for tensor in batch) for batch in loader)

    def labelled(role: str) -> SegmentationDataset:
        return SegmentationDataset(parts[role], data.root, classes)

    train = stream("teacher_train", labelled("teacher_train"), augmentation.crop, search.batch_size)
    validation = stream("teacher_val", labelled("teacher_val"), augmentation.crop, search.batch_size)
    lesson = None
    if chosen.teaches:
        identity = ShardIdentity(round=round, method=method, seed=seed, teacher=sha256(previous), code="")
        pseudo = PseudoLabeledDataset(
            read_split(split, "unlabeled"), data.root, PseudoLabels(shards, classes.names, identity)
        )
        crop, size = search.student.crop, search.student.batch_size
        lesson = zip(
            stream("student_train", labelled("student_train"), crop, size),
            stream("unlabeled", pseudo, crop, size),
            stream("student_val", labelled("student_val"), crop, size),
            strict=True,
        )

    decay = search.decay ** (round - 1)
    set_learning_rate(state.teacher_optimizer, search.teacher.lr * decay)
    if state.student_optimizer is not None:
        set_learning_rate(state.student_optimizer, search.student.optimizer.lr * decay)
    guards = {name: GuardedStep(f"{name} ({method}, round {round})") for name in ("teacher", "student", "architecture")}
    draws, rows = generator(seed, "search", round), []
    with Progress(f"search {method} seed-{seed} round-{round}", steps, log) as progress:
        for step, batch in enumerate(train):
            row = {"round": round, "step": step, "lr": state.teacher_optimizer.param_groups[0]["lr"]}
            row |= teacher_step(state, batch, gumbel_noise(space, draws), space, search, guards["teacher"])
            student_record, lesson_learned = NO_STUDENT, None
            if lesson is not None:
                noise_seed = derive_seed(seed, "dropout", round, step)
                student_record, lesson_learned = student_step(
                    state, next(lesson), search, guards["student"], noise_seed
                )
            row |= student_record
            if chosen.architecture_gradient is not None:
                context = StepContext(
                    supernet=state.supernet,
                    architecture=state.architecture,
                    noise={k: v.to(device) for k, v in gumbel_noise(space, draws).items()},
                    validation=next(validation),
                    space=space,
                    search=search,
                    table=latency_table,
                    student_step=lesson_learned,
                )
                row |= architecture_step(state, chosen, context, guards["architecture"])
            row |= {f"entropy_{name}": value for name, value in entropies(state.architecture).items()}
            row |= {f"skipped_{name}": guard.skipped for name, guard in guards.items()}
            rows.append(row)
            progress.advance(loss=row["teacher_loss"], **_shown(row))

    calibration = stream(
        "calibration", labelled("teacher_train"), augmentation.crop, search.batch_size, evaluation.calibration_batches
    )
    calibrate_supernet(state.supernet, state.architecture, space, (images for images, _ in calibration))
    write_metrics(metrics, rows)
    write_json(architecture, architecture_to_json(state.architecture))
    save_round(checkpoint, state, identity_of(classes.names, space, seed, method, round))


def architecture_step(state: SearchState, method: Method, context: StepContext, guard: GuardedStep) -> dict[str, float]:
    """One step of the architecture, and what is recorded of its gradient.

    Where the student's step was skipped there is nothing that the labels taught, and the architecture stays too.
    """
    if method.teaches and context.student_step is None:
        return NO_ARCHITECTURE_STEP
    found = method.architecture_gradient(context)
    for name, leaf in state.architecture.items():
        leaf.grad = found.gradient[name]
    guard.apply(state.architecture_optimizer, found.record["teacher_val_loss"], context.search.architecture.clip_norm)
    return found.record


def _shown(row: dict[str, float]) -> dict[str, float]:
    names = {"student_loss": "student", "teacher_val_loss": "val", "latency_ms": "ms"}
    return {short: row[name] for name, short in names.items() if row.get(name) == row.get(name) and name in row}
