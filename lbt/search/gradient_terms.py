"""The terms of the architecture's gradient that methods put together.

Stage 3 of Learning by Teaching is min_A L(T', A, D_t^val) + student_weight * L(S', D_s^val) + latency_weight * Lat(A).
A function here returns one term; `lbt.search.methods.lbt.student` and `lbt.search.methods.lpt.tester` hold those of the
students and testers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from lbt.latency.expected import expected_latency
from lbt.runtime.distributed import group
from lbt.search.hypergradient import (
    Parameters,
    as_leaves,
    call_without_side_effects,
    gradient_of,
    mixed_second_derivative,
    mixed_second_derivative_by_difference,
)
from lbt.search.step_context import ArchitectureGradient, StepContext, Term, add, cosine, norm, scale
from lbt.space.architecture import Architecture
from lbt.space.widths import sample_widths
from lbt.training.losses import supernet_loss

COLUMNS = (
    *("teacher_val_loss", "student_val_loss", "latency_ms"),
    *("teacher_gradient_norm", "student_gradient_norm", "student_factor"),
    *("second_order_gradient_norm", "latency_gradient_norm", "architecture_gradient_norm"),
    *("teacher_student_cosine", "second_order_cosine"),
)
"""Columns of `metrics.csv` that an architecture step fills; what a method does not have stays blank."""

NO_ARCHITECTURE_STEP = dict.fromkeys(COLUMNS, math.nan)


def supernet_term(
    context: StepContext, value: Callable[[Callable[[Tensor], tuple[Tensor, ...]]], Tensor], *, in_weights: bool
) -> Term:
    """A term that depends on A through the supernet's logits at the step's widths.

    Args:
        context: weights and buffers of its supernet stay untouched.
        value: takes a function from images (B, 3, H, W) to the supernet's five logits, and returns a scalar.
        in_weights: whether the gradient in the supernet's weights is wanted too: in those that the teacher's last step
            moved.
    """
    weights = {name: p.detach() for name, p in context.supernet.named_parameters()}
    moved = {}
    if in_weights:
        moved = as_leaves({name: weights[name] for name in context.teacher_step.step.gradient})
    widths = sample_widths(context.architecture, context.space, context.noise)

    def logits(images: Tensor) -> tuple[Tensor, ...]:
        return call_without_side_effects(context.supernet, weights | moved, images, context.architecture, widths)

    found = value(logits)
    gradient = gradient_of(found, {**context.architecture, **moved})
    return Term(
        float(found.detach()),
        {name: gradient[name] for name in context.architecture},
        {name: gradient[name] for name in moved},
    )


def teacher_term(context: StepContext, *, in_weights: bool = False) -> Term:
    """L(T', A, D_t^val)."""
    images, labels = context.validation
    return supernet_term(context, lambda logits: supernet_loss(logits(images), labels), in_weights=in_weights)


def latency_term(context: StepContext) -> Term:
    """Lat(A) in milliseconds, whose gradients in alpha, beta and gamma are balanced.

    Each part is multiplied by its factor of `search.latency_balance`: the gradient of
    w_alpha Lat(alpha) + w_beta Lat(beta) + w_gamma Lat(gamma), as in FasterSeg, section 3.3.
    """
    latency = expected_latency(context.architecture, context.space, context.table)
    factors = dict(zip(("alpha", "beta", "gamma"), context.search.latency_balance, strict=True))
    # Every process computes all of it, and `gradient_of` sums.
    gradient = gradient_of(latency / group().size, context.architecture)
    balanced = {name: factors[name.split(".")[0]] * g for name, g in gradient.items()}
    return Term(float(latency.detach()), balanced, {})


def through_teacher_step(context: StepContext, vector: Mapping[str, Tensor]) -> Architecture:
    """d2L(T, A, D_t^tr)/dA dT * vector, the gradient in A through the teacher's step alone.

    T' = T - xi_t clip(grad_T L(T, A, D_t^tr)) + ..., so for a function of T' the vector is its gradient pulled back
    through that step (`WeightStep.vjp_`). The second derivative is taken as `search.second_derivative` says.
    """
    taken = context.teacher_step
    images, labels = taken.batch

    def loss(weights: Parameters, architecture: Parameters) -> Tensor:
        widths = sample_widths(architecture, context.space, taken.noise)
        return supernet_loss(call_without_side_effects(context.supernet, weights, images, architecture, widths), labels)

    product = (
        mixed_second_derivative
        if context.search.second_derivative == "exact"
        else mixed_second_derivative_by_difference
    )
    return product(loss, taken.step.before, context.architecture, vector)


def put_together(
    context: StepContext,
    teacher: Term,
    first: Architecture,
    *,
    second: Architecture | None = None,
    student: Term | None = None,
    factor: float = 1.0,
) -> ArchitectureGradient:
    """first + second + latency_weight * the latency's gradient, and the record of all parts.

    Args:
        context: the step.
        teacher: the teacher's term, for the record.
        first: sum of the parts at fixed weights.
        second: the part through the teacher's step; it is scaled down to at most `search.second_order_limit` times the
            norm of `first`. None where a method has none.
        student: the student's term before its factor, for the record.
        factor: what the student's term is multiplied by.
    """
    latency = latency_term(context)
    record = {
        "teacher_val_loss": teacher.value,
        "latency_ms": latency.value,
        "teacher_gradient_norm": norm(teacher.gradient),
        "latency_gradient_norm": norm(latency.gradient),
    }
    total = first
    if student is not None:
        record["student_val_loss"] = student.value
        record["student_gradient_norm"] = norm(student.gradient)
        record["student_factor"] = factor
        record["teacher_student_cosine"] = cosine(teacher.gradient, student.gradient)
    if second is not None:
        length, most = norm(second), context.search.second_order_limit * norm(first)
        record["second_order_gradient_norm"] = length
        record["second_order_cosine"] = cosine(first, second)
        total = add(total, scale(second, most / length) if length > most else second)
    total = add(total, latency.gradient, context.latency_weight)
    record["architecture_gradient_norm"] = norm(total)
    return ArchitectureGradient(total, record)
