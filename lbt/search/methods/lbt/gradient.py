"""Learning by Teaching: the architecture also lowers the validation loss of a student that learns from its labels.

Source: Sheth, Jiang and Xie, Learning by Teaching, with Application to Neural Architecture Search, 2021. With
F(T', A) = L(T', A, D_t^val) + student_weight * L(S', D_s^val), the gradient of stage 3 through one step of T and one of
S is

    dA F(T', A)  -  xi_t * d2L(T, A, D_t^tr)/dA dT * grad_{T'} F(T', A).

The student's loss depends on A through T' and directly, because the labels p(x; T', A) do. `one_step` is the whole
gradient and `direct` drops the second part. `published` drops the direct dependence of the student's loss on A, as the
released code does; it can point in the wrong direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce

from torch import Tensor

from lbt.config.round import LbtSearch
from lbt.search.gradient_terms import add_latency, teacher_term
from lbt.search.hypergradient import Parameters, call_without_side_effects, mixed_second_derivative
from lbt.search.methods.lbt.student import squared_norms, student_term
from lbt.search.running_mean import RunningMean
from lbt.search.step_context import ArchitectureGradient, StepContext, Term
from lbt.search.tensor_dicts import add, add_, cosine, norm, scale
from lbt.space.architecture import Architecture
from lbt.space.widths import WidthPass
from lbt.training.losses import supernet_loss


def architecture_gradient(context: StepContext[LbtSearch]) -> ArchitectureGradient:
    """The gradient of stage 3 as `search.gradient` says, plus that of the latency.

    The part through the teacher's step is scaled down to at most `search.second_order_limit` times the norm of the part
    at fixed weights.
    """
    in_weights = context.search.gradient != "direct"
    student, teacher = student_term(context, in_weights=in_weights), teacher_term(context, in_weights=in_weights)
    factor = student_factor(context.search, context.partner_step.norms, teacher, student)
    total, second = COMPOSITIONS[context.search.gradient](context, teacher, student, factor)
    record: dict[str, Tensor | float] = {
        "student_val_loss": student.value,
        "student_gradient_norm": norm(student.gradient),
        "student_factor": factor,
        "teacher_student_cosine": cosine(teacher.gradient, student.gradient),
    }
    if second is not None:
        length, limit = norm(second), context.search.second_order_limit * norm(total)
        record |= {"second_order_gradient_norm": length, "second_order_cosine": cosine(total, second)}
        total = add(total, scale(second, limit / length) if length > limit else second)
    found = add_latency(context, teacher, total)
    return replace(found, record=found.record | record)


NEGLIGIBLE = 1e-30
"""A student's term is rounding error if its norm is below this multiple of the teacher's. The factor that would match
the two norms does not fit into float32."""


def student_factor(search: LbtSearch, norms: RunningMean, teacher: Term, student: Term) -> float:
    """The factor on the student's term; `matched` gives it the norm of the teacher's term, at fixed weights.

    Both are root mean squares over the steps: the ratio of a single step would lengthen the student's term most where
    a batch gave little but noise.

    Args:
        search: settings.
        norms: the mean squared norms of the terms in the steps before; see `squared_norms`.
        teacher, student: the terms.
    """
    if search.student_term == "raw":
        return search.student_weight
    present = squared_norms(norm(teacher.gradient), norm(student.gradient))
    means = norms.including(present)
    target, length = float(means["teacher"]) ** 0.5, float(means["student"]) ** 0.5
    return search.student_weight * (target / length if length > NEGLIGIBLE * target else 1.0)


Parts = tuple[Architecture, Architecture | None]
"""The gradient at fixed weights, and that through the teacher's step."""


def one_step(context: StepContext[LbtSearch], teacher: Term, student: Term, factor: float) -> Parts:
    """The whole gradient of teacher + factor * student. Overwrites the terms' gradients in the weights."""
    return add(teacher.gradient, student.gradient, factor), _through_step(context, teacher, student, factor)


def direct(context: StepContext[LbtSearch], teacher: Term, student: Term, factor: float) -> Parts:
    """The gradient at fixed weights of teacher + factor * student."""
    return add(teacher.gradient, student.gradient, factor), None


def published(context: StepContext[LbtSearch], teacher: Term, student: Term, factor: float) -> Parts:
    """`one_step` without the direct dependence of the labels on A. Overwrites the terms' gradients in the weights."""
    return teacher.gradient, _through_step(context, teacher, student, factor)


COMPOSITIONS = {"one_step": one_step, "direct": direct, "published": published}
"""The gradients of the setting `search.gradient`."""


def _through_step(context: StepContext[LbtSearch], teacher: Term, student: Term, factor: float) -> Architecture:
    vector = add_(teacher.weights_gradient, student.weights_gradient, factor)
    student.weights_gradient.clear()  # as large as the supernet, and the next pass needs the most memory
    return through_teacher_step(context, context.teacher_step.step.vjp_(vector))


def through_teacher_step(context: StepContext[LbtSearch], vector: Mapping[str, Tensor]) -> Architecture:
    """d2L(T, A, D_t^tr)/dA dT * vector, the gradient in A through the teacher's step only.

    T' = T - xi_t clip(grad_T L(T, A, D_t^tr)) + ... Therefore, for a function of T', the vector is its gradient pulled
    back through that step (`WeightStep.vjp_`).
    """
    teacher = context.teacher_step
    images, labels = teacher.batch

    def of_pass(choose_widths: WidthPass) -> Architecture:
        def loss(weights: Parameters, architecture: Parameters) -> Tensor:
            widths = choose_widths(architecture)
            outputs = call_without_side_effects(context.supernet, weights, images, architecture, widths)
            return supernet_loss(outputs, labels, context.processes)

        return mixed_second_derivative(loss, teacher.step.before, context.architecture, vector, context.processes)

    return reduce(add, map(of_pass, teacher.passes))
