"""The terms of the architecture's gradient that methods put together.

Stage 3 of Learning by Teaching is min_A L(T, A, D_t^val) + student_weight * L(S', D_s^val) + latency_weight * Lat(A).
Each function here returns the gradient of one of its terms; a method says which terms it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.expected import expected_latency
from lbt.latency.table import LatencyTable
from lbt.losses import supernet_loss, upsample
from lbt.search.hypergradient import (
    call_without_side_effects,
    directional_log_probabilities,
    labelling_value,
    loss_gradient,
)
from lbt.search.student import fixed_noise, labelled_loss
from lbt.space.supernet import Supernet
from lbt.space.widths import sampled_widths

Architecture = dict[str, Tensor]
NO_ARCHITECTURE_STEP = dict.fromkeys(
    (
        "teacher_val_loss",
        "latency_ms",
        "teacher_gradient_norm",
        "latency_gradient_norm",
        "student_val_loss",
        "student_gradient_norm",
        "teacher_student_cosine",
    ),
    math.nan,
)


@dataclass(frozen=True)
class StudentStep:
    """What the student's last weight step S -> S' was made of.

    Attributes:
        student: the student; its parameters are S'.
        before: its parameters S, by name.
        step_size: learning rate of that step times the factor by which its gradient was clipped.
        unlabeled: the images (B, 3, H, W) whose labels it learned from.
        validation: images and labels of D_s^val.
        noise_seed: seed of the dropout in that step.
    """

    student: nn.Module
    before: dict[str, Tensor]
    step_size: float
    unlabeled: Tensor
    validation: tuple[Tensor, Tensor]
    noise_seed: int


@dataclass(frozen=True)
class StepContext:
    """All that one architecture step may look at.

    Attributes:
        supernet: the teacher, in train mode; an architecture step changes neither weights nor buffers.
        architecture: the logits A as leaves that require gradients.
        noise: Gumbel noise of this step; the same noise is used in every pass, so widths are fixed within the step.
        validation: images (B, 3, H, W) and labels (B, H, W) of D_t^val.
        space, search, table: settings and latency table.
        latency_weight: weight of the expected latency, which may differ from the one in the settings.
        student_step: the student's last step, or None for methods without a student.
    """

    supernet: Supernet
    architecture: Architecture
    noise: dict[str, Tensor]
    validation: tuple[Tensor, Tensor]
    space: SpaceSettings
    search: SearchSettings
    table: LatencyTable
    latency_weight: float
    student_step: StudentStep | None


@dataclass(frozen=True)
class Term:
    """Value and gradient of one term of stage 3, before its weight."""

    value: float
    gradient: Architecture


@dataclass(frozen=True)
class ArchitectureGradient:
    """The gradient of an architecture step and what is recorded of it."""

    gradient: Architecture
    record: dict[str, float]


@dataclass(frozen=True)
class Method:
    """A search method.

    Attributes:
        name: its name in settings and tables.
        teaches: whether it labels images and trains a student on them.
        architecture_gradient: the gradient of an architecture step, or None if the architecture does not move.
    """

    name: str
    teaches: bool
    architecture_gradient: Callable[[StepContext], ArchitectureGradient] | None


def teacher_logits(context: StepContext, images: Tensor) -> tuple[Tensor, ...]:
    """The supernet's logits at the step's widths, with gradient to A; weights and buffers stay untouched."""
    widths = sampled_widths(context.architecture, context.space, context.noise)
    weights = {name: p.detach() for name, p in context.supernet.named_parameters()}
    return call_without_side_effects(context.supernet, weights, images, context.architecture, widths)


def teacher_term(context: StepContext) -> Term:
    """L(T, A, D_t^val) and its gradient in A."""
    images, labels = context.validation
    loss = supernet_loss(teacher_logits(context, images), labels)
    return Term(float(loss.detach()), _gradient(loss, context.architecture))


def latency_term(context: StepContext) -> Term:
    """Lat(A) in milliseconds and its gradient in A, whose parts in alpha, beta and gamma are balanced.

    Each part is multiplied by its factor of `search.latency_balance`: the gradient of
    w_alpha Lat(alpha) + w_beta Lat(beta) + w_gamma Lat(gamma), as in FasterSeg, section 3.3.
    """
    latency = expected_latency(context.architecture, context.space, context.table)
    factors = dict(zip(("alpha", "beta", "gamma"), context.search.latency_balance, strict=True))
    gradient = _gradient(latency, context.architecture)
    return Term(float(latency.detach()), {name: factors[name.split(".")[0]] * g for name, g in gradient.items()})


def student_term(context: StepContext) -> Term:
    """L(S', D_s^val) and its gradient in A through the direct dependence of the teacher's labels on A.

    The labels p(x; T, A) are recomputed at the current A; see `lbt.search.hypergradient` for the formula. With
    momentum and weight decay S' still depends on p through the last gradient alone, times the learning rate.
    """
    step = context.student_step
    if step is None:
        raise ValueError("student_term: the context has no student step")
    student, size = step.student, step.unlabeled.shape[-2:]

    def logits(parameters: dict[str, Tensor], images: Tensor) -> Tensor:
        with fixed_noise(step.noise_seed, images.device):
            return call_without_side_effects(student, parameters, images)["out"]

    images, labels = step.validation
    value, direction = loss_gradient(
        lambda p: labelled_loss(logits(p, images), labels), dict(student.named_parameters())
    )
    derivative = directional_log_probabilities(lambda p: logits(p, step.unlabeled), step.before, direction)
    probability = upsample(teacher_logits(context, step.unlabeled)[0].softmax(dim=1), size)
    labelling = labelling_value(probability, derivative, step.step_size * context.search.pseudo_weight)
    return Term(float(value), _gradient(labelling, context.architecture))


def combine(context: StepContext, teacher: Term, student: Term | None = None) -> ArchitectureGradient:
    """Weigh the terms, add the latency, and record norms and the cosine between teacher and student."""
    search, latency = context.search, latency_term(context)
    total = _add(teacher.gradient, latency.gradient, context.latency_weight)
    record = NO_ARCHITECTURE_STEP | {
        "teacher_val_loss": teacher.value,
        "latency_ms": latency.value,
        "teacher_gradient_norm": norm(teacher.gradient),
        "latency_gradient_norm": norm(latency.gradient),
    }
    if student is not None:
        teacher_norm, student_norm = norm(teacher.gradient), norm(student.gradient)
        matched = search.student_term == "matched" and student_norm > 0
        scale = teacher_norm / student_norm if matched else 1.0
        total = _add(total, student.gradient, search.student_weight * scale)
        record["student_val_loss"] = student.value
        record["student_gradient_norm"] = student_norm
        if teacher_norm > 0 and student_norm > 0:
            record["teacher_student_cosine"] = dot(teacher.gradient, student.gradient) / (teacher_norm * student_norm)
    return ArchitectureGradient(total, record)


def dot(a: Architecture, b: Architecture) -> float:
    """Inner product of two architecture gradients."""
    return float(sum((a[name].double() * b[name].double()).sum() for name in a))


def norm(a: Architecture) -> float:
    """Euclidean norm of an architecture gradient."""
    return dot(a, a) ** 0.5


def _add(a: Architecture, b: Architecture, weight: float) -> Architecture:
    return {name: a[name] + weight * b[name] for name in a}


def _gradient(value: Tensor, architecture: Architecture) -> Architecture:
    gradients = torch.autograd.grad(value, list(architecture.values()), allow_unused=True)
    pairs = zip(architecture.items(), gradients, strict=True)
    return {name: torch.zeros_like(leaf) if g is None else g for (name, leaf), g in pairs}
