"""A state of a search at which LBT's terms can be computed repeatedly, with fresh batches and widths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lbt.runtime.checkpoint import load_state, to_state
from lbt.runtime.distributed import ALONE
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.gradient_terms import teacher_term
from lbt.search.methods.lbt.label_steps import RecentSteps
from lbt.search.methods.lbt.student import StudentStep, student_term
from lbt.search.running_mean import RunningMean
from lbt.search.step_context import StepContext, TeacherStep
from lbt.space.widths import WidthPass, draw_width_passes
from lbt.training.optimizers import settle

CPU = torch.device("cpu")
Key = tuple[str, str]
"""A term, `teacher` or `student`, and how it is estimated: the widths' passes or `Estimate.name`."""
Vectors = Sequence[np.ndarray]
"""The sums of a term's gradient, one vector per sum."""


@dataclass(frozen=True)
class Estimate:
    """Settings of `search` for one way to estimate the terms."""

    student_memory: float = 0.0
    label_steps: int = 1
    width_passes: tuple[str, ...] = ("sampled",)

    @property
    def name(self) -> str:
        """For the tables."""
        return f"memory {self.student_memory:g}, labels {self.label_steps}, {'+'.join(self.width_passes)}"


class FrozenState:
    """A state of the search at which the terms can be computed repeatedly.

    Args:
        study: has `seed`, `space`, `search`, `table`, the `state` of a search by `lbt`, whose student has guards, and
            the iterators `batches` (the student's) and `validation`; such as `study_seed.StudySeed`.
        estimates: ways to estimate the terms.
    """

    def __init__(self, study: Any, estimates: Sequence[Estimate]) -> None:
        self.study, self.estimates, self.student, self.taken = study, estimates, study.state.partner, 0
        self.choices = tuple(dict.fromkeys(estimate.width_passes for estimate in estimates))
        self.start = copied(to_state(self.student.parts()))

    def student_step(self) -> StudentStep:
        """A step of the student on fresh batches, after which its weights are those before it."""
        seed = derive_seed(self.study.seed, "signal", self.taken)
        _, step = self.student.train_step(next(self.study.batches), seed)
        if settle(self.student.guards, {})[1]:
            raise ArithmeticError("a step of the student had a value that is not finite; lower its learning rate")
        load_state(self.student.parts(), self.start)
        self.taken += 1
        return step

    def context(self, estimate: Estimate, passes: tuple[WidthPass, ...], step: StudentStep) -> StepContext[Any]:
        """An architecture step with the settings of an estimate; the terms at fixed weights read no teacher's step."""
        study = self.study
        return StepContext(
            supernet=study.state.supernet,
            architecture=study.state.architecture,
            passes=passes,
            validation=self.validation,
            space=study.space,
            search=study.search.model_copy(update=vars(estimate)),
            table=study.table,
            latency_weight=0.0,
            processes=ALONE,
            teacher_step=self.teacher,
            partner_step=step,
        )

    def gradients(self, number: int, steps: int) -> Iterator[dict[Key, np.ndarray]]:
        """The gradients of each of `steps` consecutive steps, the `number`-th time, as vectors; see `flatten`.

        All estimates see the same batches and widths, and start with empty means.
        """
        draws = generator(self.study.seed, "signal", number)
        means = {memory: RunningMean(memory) for memory in {e.student_memory for e in self.estimates}}
        recent = RecentSteps(max(e.label_steps for e in self.estimates) - 1, CPU)
        for _ in range(steps):
            self.validation, self.teacher = next(self.study.validation), TeacherStep(None, None, ())  # type: ignore[arg-type]
            taken, passes = self.student_step(), draw_passes(self.study.space, draws, self.choices)
            validation = {memory: mean.update(taken.validation_gradient) for memory, mean in means.items()}
            found = {}
            for estimate in self.estimates:
                step = replace(
                    taken,
                    validation_gradient=validation[estimate.student_memory],
                    earlier=tuple(recent)[: estimate.label_steps - 1],
                )
                term = student_term(self.context(estimate, passes[estimate.width_passes], step))
                found["student", estimate.name] = flatten(term.gradient)
            for kinds in self.choices:
                term = teacher_term(self.context(Estimate(), passes[kinds], taken))
                found["teacher", "+".join(kinds)] = flatten(term.gradient)
            recent.add(taken)
            yield found

    def sums(self, number: int, steps: int) -> dict[Key, np.ndarray]:
        """The sums of `gradients`."""
        total: dict[Key, np.ndarray] = {}
        for found in self.gradients(number, steps):
            for key, vector in found.items():
                total[key] = total.get(key, 0.0) + vector
        return total


def draw_passes(
    space: Any, draws: torch.Generator, choices: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], tuple[WidthPass, ...]]:
    """The passes of a step for each choice of them, with the first sampled widths in common."""
    sampled = draw_width_passes(("sampled", "sampled"), space, draws)
    largest, smallest = draw_width_passes(("max", "min"), space, draws)
    fixed = {"max": largest, "min": smallest}
    return {
        kinds: tuple(fixed[kind] if kind in fixed else sampled[index] for index, kind in enumerate(kinds))
        for kinds in choices
    }


def copied(value: Any) -> Any:
    """A checkpoint's part with tensors of its own."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: copied(inner) for name, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def flatten(gradient: Mapping[str, Tensor]) -> np.ndarray:
    """A gradient as a vector in the order of its sorted names, float64."""
    return torch.cat([gradient[name].flatten() for name in sorted(gradient)]).double().numpy()


def signal_to_noise(sums: Vectors, steps: int) -> float:
    """The unbiased |mean|^2 over the total variance of the sums, by step."""
    stack = np.stack(sums)
    variance = stack.var(axis=0, ddof=1).sum()
    return float((np.square(stack.mean(axis=0)).sum() - variance / len(stack)) / variance / steps)
