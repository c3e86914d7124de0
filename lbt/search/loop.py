"""The steps of a round, the same for all methods.

Each step takes one step of the teacher's weights T, one of the partner's weights where the method has a partner (LBT's
student, LPT's tester), and one of the architecture A where the method moves it. What these are is the method's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.steering import predict_fps
from lbt.latency.table import LatencyTable
from lbt.network.derivation_rule import derive_genotype
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.cosearch import guide_entropies, guide_step
from lbt.search.gradient_terms import COLUMNS
from lbt.search.method import Method
from lbt.search.state import SearchState
from lbt.search.step_context import StepContext
from lbt.search.teacher_step import teacher_step
from lbt.space.architecture import entropies
from lbt.space.widths import gumbel_noise
from lbt.training.optimizers import GuardedStep, set_learning_rate

Batch = tuple[Tensor, ...]
Row = dict[str, float | int]


@dataclass(frozen=True)
class RoundPlan:
    """What a round is made of besides its state.

    Attributes:
        method: the search method.
        seed: seed of the search.
        round: the round, from 1.
        steps: number of steps.
        train, validation: a batch of D_t^tr and of D_t^val for each step that is still to take.
        batches: batches of the partner, one item per step, or None.
        space, search, table: settings and latency table.
        last_good: the checkpoint that the round started from.
    """

    method: Method
    seed: int
    round: int
    steps: int
    train: Iterator[Batch]
    validation: Iterator[Batch]
    batches: Iterator[Any] | None
    space: SpaceSettings
    search: SearchSettings
    table: LatencyTable
    last_good: Path


def take_steps(state: SearchState, plan: RoundPlan, progress: Progress, resume: Resume) -> list[Row]:
    """Take the steps of a round from `resume.step` on; return what `metrics.csv` records of each, from the first on.

    A quantity that a method does not have, or that a skipped update left undone, is NaN. All but the column `seconds`
    repeats bit by bit on a CPU.

    Raises:
        LbtError: too many updates in a row had a value that is not finite; see `GuardedStep`. See `Resume.steps` too.
    """
    guards, draws, rows = _begin(state, plan), generator(plan.seed, "search", plan.round), []
    parts = state.parts() | {"guards": guards, "draws": draws, "rows": rows}
    for step, batch in resume.steps(plan.train, parts, progress):
        started = time.monotonic()
        row = _blank(state, plan, step)
        noises = [gumbel_noise(plan.space, draws) for _ in range(2)]  # as many whatever the method
        for guard in guards.values():
            guard.steps = step
        record, taught = teacher_step(state, batch, noises[0], plan.space, plan.search, guards["teacher"])
        row |= record
        learned = None
        if state.partner is not None:
            record, learned = state.partner.train_step(
                next(plan.batches), derive_seed(plan.seed, "dropout", plan.round, step)
            )
            row |= record
        if plan.method.architecture_gradient is not None:
            context = StepContext(
                supernet=state.supernet,
                architecture=state.architecture,
                noise={key: value.to(batch[0].device) for key, value in noises[1].items()},
                validation=next(plan.validation),
                space=plan.space,
                search=plan.search,
                table=plan.table,
                latency_weight=state.latency_weight,
                teacher_step=taught,
                partner_step=learned,
            )
            row |= _move_architecture(state, plan.method, context, guards)
            row["fps"] = predict_fps(derive_genotype(state.architecture, plan.space), plan.space, plan.table)
        row |= _after(state, guards)
        row["seconds"] = round(time.monotonic() - started, 4)
        rows.append(row)
        progress.advance(**_shown(row, guards))
    state.skips = {name: guard.skip_streak() for name, guard in guards.items() if guard.consecutive}
    return rows


def _begin(state: SearchState, plan: RoundPlan) -> dict[str, GuardedStep]:
    """Set the round's learning rates; returns the guards of all updates, by what they guard."""
    name, decay = f"{plan.method.name}, round {plan.round}", plan.search.decay ** (plan.round - 1)
    set_learning_rate(state.teacher_optimizer, plan.search.teacher.lr * decay)
    guards = {
        "teacher": GuardedStep(f"teacher ({name})", state.supernet, plan.last_good),
        "architecture": GuardedStep(f"architecture ({name})", last_good=plan.last_good),
    }
    if state.guide is not None:
        guards["guide"] = GuardedStep(f"guide ({name})", last_good=plan.last_good)
    if state.partner is not None:
        state.partner.begin_round(name, decay, plan.last_good)
        guards |= state.partner.guards
    for name, run in state.skips.items():
        guards[name].resume_streak(run)
    return guards


def _blank(state: SearchState, plan: RoundPlan, step: int) -> Row:
    """A row with all columns in their order, blank but for the first three."""
    partner = state.partner
    columns = ["teacher_loss", *(["guide_loss"] if state.guide is not None else [])]
    columns += ["teacher_weight_gradient_norm", *(partner.COLUMNS if partner is not None else ()), *COLUMNS, "fps"]
    columns += ["guide_val_loss", "guide_gradient_norm"] if state.guide is not None else []
    columns += partner.AFTER_COLUMNS if partner is not None else ()
    first = {"round": plan.round, "step": step, "latency_weight": state.latency_weight}
    return first | dict.fromkeys(columns, math.nan)


def _move_architecture(
    state: SearchState, method: Method, context: StepContext, guards: dict[str, GuardedStep]
) -> dict[str, float]:
    """The steps of the architecture, of the guide, and of what follows; returns their records.

    Where a weight step that the gradient goes through was skipped there is nothing that it taught, and the
    architecture stays too.
    """
    record = {}
    if context.teacher_step is not None and (state.partner is None or context.partner_step is not None):
        found = method.architecture_gradient(context)
        for name, leaf in state.architecture.items():
            leaf.grad = found.gradient[name]
        values = {key: value for key, value in found.record.items() if not key.endswith("_cosine")}
        guards["architecture"].apply(state.architecture_optimizer, values, context.search.architecture.clip_norm)
        record |= found.record
        if state.partner is not None:
            record |= state.partner.after_architecture(context)
    if state.guide is not None:
        record |= guide_step(state.guide, state.guide_optimizer, context, guards["guide"])
    return record


def _after(state: SearchState, guards: dict[str, GuardedStep]) -> Row:
    """What a row says of the state after its step: entropies, skipped updates, learning rates."""
    row: Row = guide_entropies(state.guide) if state.guide is not None else {}
    row |= {f"entropy_{name}": value for name, value in entropies(state.architecture).items()}
    row |= {f"skipped_{name}": guard.skipped for name, guard in guards.items()}
    optimizers = {"teacher": state.teacher_optimizer, "architecture": state.architecture_optimizer}
    if state.partner is not None:
        optimizers |= state.partner.optimizers
    return row | {f"lr_{name}": optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.items()}


def _shown(row: Row, guards: dict[str, GuardedStep]) -> dict[str, float]:
    names = {"teacher_loss": "loss", "student_loss": "student", "teacher_val_loss": "val", "latency_ms": "ms"}
    shown = {short: row[name] for name, short in names.items() if name in row and math.isfinite(row[name])}
    skipped = sum(guard.skipped for guard in guards.values())
    return shown | ({"skipped": skipped} if skipped else {})
