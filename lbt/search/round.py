"""One round of the search: the loop that all methods share.

Each step takes one step of the teacher's weights T, for methods that teach one of the student's weights S, and for
methods that search one of the architecture A. What a step does is the method's; budget and artefacts are common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from lbt.artifacts import sha256, write_json
from lbt.compute import prepare_device
from lbt.config import (
    AugmentationSettings,
    ComputeSettings,
    DataSettings,
    EvaluationSettings,
    LatencySettings,
    SearchSettings,
    SpaceSettings,
)
from lbt.data.classes import class_table
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.latency.table import read_table, settings_key
from lbt.latency.window import check_window, predicted_fps, steer
from lbt.metrics import write_metrics
from lbt.optimisation import GuardedStep, set_learning_rate
from lbt.progress import Progress
from lbt.search.architecture_step import NO_ARCHITECTURE_STEP, Method, StepContext
from lbt.search.calibration import calibrate_supernet
from lbt.search.guide import NO_GUIDE_STEP, guide_entropies, guide_step
from lbt.search.methods import load_method
from lbt.search.pseudo_labels import PseudoLabels, ShardIdentity
from lbt.search.state import SearchState, identity_of, save_round, start_round
from lbt.search.streams import RoundStreams
from lbt.search.weight_steps import NO_STUDENT, student_step, teacher_step
from lbt.seeding import derive_seed, generator
from lbt.space.architecture import architecture_to_json, entropies
from lbt.space.derive import derive_genotype
from lbt.space.widths import gumbel_noise
from lbt.steps import steps_for


def run(
    *,
    seed: int,
    method: str,
    round: int,
    data: DataSettings,
    augmentation: AugmentationSettings,
    space: SpaceSettings,
    search: SearchSettings,
    latency: LatencySettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    split: Path,
    table: Path,
    previous: Path,
    checkpoint: Path,
    architecture: Path,
    metrics: Path,
    guide: Path | None = None,
    shards: Sequence[Path] = (),
    log: Path | None = None,
) -> None:
    """Run round `round` (from 1) from the checkpoint `previous` and write checkpoint, architecture and metrics.

    Raises:
        LbtError: a co-search without the output `guide`, or that output without a co-search; a window of frames per
            second that no network reaches; inputs that do not fit these settings.
    """
    if search.cosearch != (guide is not None):
        raise LbtError(
            f"search.cosearch is {str(search.cosearch).lower()}, but the round was started with the output guide = "
            f"{guide}. Give the output to a co-search only."
        )
    device = prepare_device(compute)
    classes = class_table(data)
    chosen = load_method(method)
    latency_table = read_table(table)
    latency_table.check_key(settings_key(latency, compute, classes.num_classes))
    if search.fps is not None:
        check_window(search.fps, space, latency_table, "search.fps")
    state = start_round(
        previous, classes=classes.names, space=space, search=search, seed=seed, teaches=chosen.teaches, device=device
    )
    steps = steps_for(search.epochs, len(read_split(split, "teacher_train")), search.batch_size)
    streams = RoundStreams(seed, round, split, classes, data, augmentation, device, compute.workers)
    train = streams.labelled("teacher_train", "teacher_train", steps, search.batch_size)
    validation = streams.labelled("teacher_val", "teacher_val", steps, search.batch_size)
    lessons = None
    if chosen.teaches:
        identity = ShardIdentity(round=round, method=method, seed=seed, teacher=sha256(previous), code="")
        lessons = streams.lessons(steps, search.student, PseudoLabels(shards, classes.names, identity))

    decay = search.decay ** (round - 1)
    set_learning_rate(state.teacher_optimizer, search.teacher.lr * decay)
    if state.student_optimizer is not None:
        set_learning_rate(state.student_optimizer, search.student.optimizer.lr * decay)
    guarded = ("teacher", "student", "architecture", *(("guide",) if state.guide is not None else ()))
    guards = {name: GuardedStep(f"{name} ({method}, round {round})") for name in guarded}
    draws, rows = generator(seed, "search", round), []
    with Progress(f"search {method} seed-{seed} round-{round}", steps, log) as progress:
        for step, batch in enumerate(train):
            row = {"round": round, "step": step, "lr": state.teacher_optimizer.param_groups[0]["lr"]}
            row |= {"latency_weight": state.latency_weight, "fps": math.nan}
            row |= teacher_step(state, batch, gumbel_noise(space, draws), space, search, guards["teacher"])
            student_record, lesson_learned = NO_STUDENT, None
            if lessons is not None:
                noise_seed = derive_seed(seed, "dropout", round, step)
                student_record, lesson_learned = student_step(
                    state, next(lessons), search, guards["student"], noise_seed
                )
            row |= student_record
            if state.guide is not None:
                row |= NO_GUIDE_STEP
            if chosen.architecture_gradient is not None:
                context = StepContext(
                    supernet=state.supernet,
                    architecture=state.architecture,
                    noise={k: v.to(device) for k, v in gumbel_noise(space, draws).items()},
                    validation=next(validation),
                    space=space,
                    search=search,
                    table=latency_table,
                    latency_weight=state.latency_weight,
                    student_step=lesson_learned,
                )
                row |= architecture_step(state, chosen, context, guards["architecture"])
                row["fps"] = predicted_fps(derive_genotype(state.architecture, space), space, latency_table)
                if state.guide is not None:
                    row |= guide_step(state.guide, state.guide_optimizer, context, guards["guide"])
            if state.guide is not None:
                row |= guide_entropies(state.guide)
            row |= {f"entropy_{name}": value for name, value in entropies(state.architecture).items()}
            row |= {f"skipped_{name}": guard.skipped for name, guard in guards.items()}
            rows.append(row)
            progress.advance(loss=row["teacher_loss"], **_shown(row))
        if search.fps is not None and chosen.architecture_gradient is not None:
            fps, before = rows[-1]["fps"], state.latency_weight
            state.latency_weight = steer(before, fps, search.fps)
            progress.note(
                f"{fps:.1f} frames per second predicted, wanted {search.fps[0]:g} to {search.fps[1]:g}: "
                f"latency_weight {before:g} -> {state.latency_weight:g}"
            )

    calibration = streams.labelled("calibration", "teacher_train", evaluation.calibration_batches, search.batch_size)
    calibrate_supernet(state.supernet, state.architecture, space, (images for images, _ in calibration))
    write_metrics(metrics, rows)
    write_json(architecture, architecture_to_json(state.architecture))
    if state.guide is not None:
        write_json(guide, architecture_to_json(state.guide))
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
