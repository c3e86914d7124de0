"""Learning by Teaching: the architecture also lowers the validation loss of a student that its labels teach."""

from __future__ import annotations

from lbt.search.architecture_step import (
    ArchitectureGradient,
    Method,
    StepContext,
    combine,
    student_term,
    teacher_term,
)


def architecture_gradient(context: StepContext) -> ArchitectureGradient:
    """dA [L(T, A, D_t^val) + student_weight * L(S', D_s^val) + latency_weight * Lat(A)].

    The student's part is taken through the direct dependence of the teacher's labels on A.
    """
    return combine(context, teacher_term(context), student_term(context))


METHOD = Method(name="lbt", teaches=True, architecture_gradient=architecture_gradient)
