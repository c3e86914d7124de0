"""The steps of a round, the same for all methods.

Each step updates the teacher's weights T, then the weights of the method's partner (LBT's student, LPT's tester), then
the architecture A. A method may have no partner, or may not move the architecture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.config import SpaceSettings
from lbt.config.round import RoundSearch
from lbt.config.training import ArchitectureSettings
from lbt.latency.steering import predict_fps
from lbt.latency.table import LatencyTable
from lbt.network.derivation_rule import derive_genotype
from lbt.runtime.device import FLOAT32, Precision
from lbt.runtime.distributed import Group
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.batches import Batch
from lbt.search.cosearch import guide_step
from lbt.search.gradient_terms import add_entropy
from lbt.search.method import Method
from lbt.search.state import SearchState
from lbt.search.step_context import ArchitectureGradient, StepContext, TeacherStep
from lbt.search.step_record import Row, StepRecord, select_progress_values
from lbt.search.teacher_step import teacher_step
from lbt.search.tensor_dicts import norm
from lbt.space.architecture import Architecture
from lbt.space.widths import WidthPass, draw_width_passes
from lbt.training.optimizers import GuardedStep, set_learning_rate, settle


@dataclass(frozen=True)
class RoundPlan:
    """The fixed inputs of a round. The steps change only `SearchState`.

    Attributes:
        method: the search method.
        seed: seed of the search.
        round: the round, from 1.
        train, validation: a batch of D_t^tr and one of D_t^val for each remaining step.
        batches: the partner's batches, one item for each remaining step.
        space, search, table: settings and latency table.
        last_good: the checkpoint from which the round started.
        processes: the processes of the job, which share every batch.
        precision: the number format of weight steps.
    """

    method: Method
    seed: int
    round: int
    train: Iterator[Batch]
    validation: Iterator[Batch]
    batches: Iterator[Any]
    space: SpaceSettings
    search: RoundSearch
    table: LatencyTable
    last_good: Path
    processes: Group
    precision: Precision = FLOAT32


def take_steps(state: SearchState, plan: RoundPlan, progress: Progress, resume: Resume) -> list[Row]:
    """Take the steps of a round, from `resume.step` on, and return the rows of `metrics.csv` of the whole round.

    On a CPU all columns but `seconds` repeat bit by bit.

    Raises:
        LbtError: too many updates in a row had a value that is not finite; see `GuardedStep`. See `Resume.steps` too.
    """
    guards, draws = _begin_round(state, plan), generator(plan.seed, "search", plan.round)
    temperature = width_temperature(plan.search, plan.round)
    rows: list[Row] = []
    parts = state.parts() | {"guards": guards, "draws": draws, "rows": rows}
    for step, batch in resume.steps(plan.train, parts, progress):
        record = StepRecord(state, plan.round, step)
        kinds = plan.search.width_passes
        # Every method draws both, so that all have the same widths.
        weight_passes, architecture_passes = (
            draw_width_passes(kinds, plan.space, draws, temperature) for _ in range(2)
        )
        for guard in guards.values():
            guard.steps = step

        values, teacher = teacher_step(
            state,
            batch,
            weight_passes,
            plan.space,
            plan.search,
            guards["teacher"],
            plan.processes,
            plan.precision,
            keep_before=plan.method.needs_weights_before(plan.search),
        )
        noise_seed = derive_seed(plan.seed, "dropout", plan.round, step)
        partner_values, partner = state.partner.train_step(next(plan.batches), noise_seed, plan.precision)
        proposed = architecture_gradient(state, plan, architecture_passes, teacher, partner)
        # Before this line the host waits only for gradients in A; here it learns whether the device skipped a step.
        measured, skipped = settle(guards, {**values, **partner_values, **(proposed[1].record if proposed else {})})
        record.add({name: measured[name] for name in (*values, *partner_values)})
        if not skipped & state.partner.guards.keys():
            state.partner.keep_step(partner)
        if proposed is not None:
            context, found = proposed
            terms = None if skipped else {name: measured[name] for name in found.record}
            record.add(architecture_step(state, plan, context, found.gradient, terms, guards))

        rows.append(record.finish(state, guards))
        progress.advance(**select_progress_values(rows[-1]))
    state.skips = {name: guard.skip_streak() for name, guard in guards.items() if guard.consecutive}
    return rows


def architecture_gradient(
    state: SearchState, plan: RoundPlan, passes: tuple[WidthPass, ...], teacher: TeacherStep, partner: Any
) -> tuple[StepContext[Any], ArchitectureGradient] | None:
    """The gradient of the method, and what it was computed from; None if the method moves no architecture."""
    if plan.method.architecture_gradient is None:
        return None
    context: StepContext[Any] = StepContext(
        supernet=state.supernet,
        architecture=state.architecture,
        passes=passes,
        validation=next(plan.validation),
        space=plan.space,
        search=plan.search,
        table=plan.table,
        latency_weight=state.latency_weight,
        processes=plan.processes,
        teacher_step=teacher,
        partner_step=partner,
    )
    return context, add_entropy(context, plan.method.architecture_gradient(context))


def architecture_step(
    state: SearchState,
    plan: RoundPlan,
    context: StepContext[Any],
    gradient: Architecture,
    terms: dict[str, float] | None,
    guards: dict[str, GuardedStep],
) -> dict[str, float]:
    """Move the architecture, then the partner's second part and the guide of a co-search, which depend on it.

    Args:
        gradient: in A.
        terms: its record. None if the teacher's or the partner's step was skipped: its derivative does not exist, so
            the architecture stays.

    Returns:
        Values of `metrics.csv`.
    """
    values: dict[str, float] = {}
    if terms is not None:
        values = terms | {"architecture_gradient_norm": norm(gradient)}
        move_architecture(state, plan.search.architecture, gradient, values, guards["architecture"])
        values |= state.partner.after_architecture_step(context, values)
    if state.guide is not None:
        clip_norm, guard = plan.search.architecture.clip_norm, guards["guide"]
        validation, processes = context.validation, plan.processes
        values |= guide_step(state.guide, state.supernet, validation, plan.space, clip_norm, guard, processes)
    genotype = derive_genotype(state.architecture, plan.space)
    return values | {"fps": predict_fps(genotype, plan.space, plan.table)}


def move_architecture(
    state: SearchState,
    settings: ArchitectureSettings,
    gradient: Architecture,
    values: Mapping[str, float],
    guard: GuardedStep,
) -> None:
    """Step with the mean gradient of the last `settings.accumulate` steps, if this one is the last of them.

    A gradient whose step has a value that is not finite is skipped, and does not count.

    Args:
        state: its architecture moves.
        settings: of the optimiser.
        gradient: this step's.
        values: values of this step; all but cosines must be finite.
        guard: of the architecture.
    """
    finite = {name: value for name, value in values.items() if not name.endswith("_cosine")}
    if all(map(math.isfinite, finite.values())):
        gradient = state.mean_gradient.update(gradient)
        if state.mean_gradient.weight < settings.accumulate:
            return
        state.mean_gradient.clear()
    for name, leaf in state.architecture.items():
        leaf.grad = gradient[name]
    guard.apply(state.architecture_optimizer, finite, settings.clip_norm)


def width_temperature(search: RoundSearch, round: int) -> float:
    """The temperature at which widths are sampled in a round, from 1."""
    least = min(search.width_temperature_least, search.width_temperature)
    return max(search.width_temperature * search.width_temperature_decay ** (round - 1), least)


def _begin_round(state: SearchState, plan: RoundPlan) -> dict[str, GuardedStep]:
    """Set the round's learning rates, and return the guard of each network and of the architecture by name."""
    name, decay = f"{plan.method.name}, round {plan.round}", plan.search.decay ** (plan.round - 1)
    set_learning_rate(state.teacher_optimizer, plan.search.teacher.lr * decay)
    guards = {
        "teacher": GuardedStep(f"teacher ({name})", state.supernet, plan.last_good),
        "architecture": GuardedStep(f"architecture ({name})", last_good=plan.last_good),
    }
    if state.guide is not None:
        guards["guide"] = GuardedStep(f"guide ({name})", last_good=plan.last_good)
    state.partner.begin_round(name, decay, plan.last_good)
    guards |= state.partner.guards
    for key, streak in state.skips.items():
        guards[key].resume_streak(streak)
    return guards
