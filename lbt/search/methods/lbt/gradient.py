"""Learning by Teaching: the architecture also lowers the validation loss of a student that its labels teach.

Source: Sheth, Jiang and Xie, Learning by Teaching, with Application to Neural Architecture Search, 2021. With
F(T', A) = L(T', A, D_t^val) + student_weight * L(S', D_s^val), the gradient of stage 3 through one step of T and one of
S is

    dA F(T', A)  -  xi_t * d2L(T, A, D_t^tr)/dA dT * grad_{T'} F(T', A).

The student's loss depends on A directly, because the labels p(x; T', A) do, and through T'. `one_step` is all of it,
`direct` drops the product, and `published` keeps of the student's loss only the part through T', as the released code
does; it can point the wrong way.
"""

from __future__ import annotations

from lbt.config import SearchSettings
from lbt.search.gradient_terms import put_together, teacher_term, through_teacher_step
from lbt.search.methods.lbt.student import student_term
from lbt.search.step_context import ArchitectureGradient, StepContext, Term, add, add_, norm
from lbt.space.architecture import Architecture


def architecture_gradient(context: StepContext) -> ArchitectureGradient:
    """The gradient of stage 3 as `search.gradient` says, plus that of the latency."""
    in_weights = context.search.gradient != "direct"
    student, teacher = student_term(context, in_weights=in_weights), teacher_term(context, in_weights=in_weights)
    factor = student_factor(context.search, teacher, student)
    first, second = COMPOSITIONS[context.search.gradient](context, teacher, student, factor)
    return put_together(context, teacher, first, second=second, student=student, factor=factor)


NOTHING = 1e-30
"""A student's term that is shorter than this times the teacher's is rounding error, and float32 could not hold a factor
that makes up for it."""


def student_factor(search: SearchSettings, teacher: Term, student: Term) -> float:
    """What the student's term is multiplied by; `matched` gives it the norm of the teacher's, at fixed weights."""
    length, wanted = norm(student.gradient), norm(teacher.gradient)
    matched = search.student_term == "matched" and length > NOTHING * wanted
    return search.student_weight * (wanted / length if matched else 1.0)


Parts = tuple[Architecture, Architecture | None]
"""The gradient at fixed weights, and that through the teacher's step."""


def one_step(context: StepContext, teacher: Term, student: Term, factor: float) -> Parts:
    """All of teacher + factor * student. Uses up the terms' gradients in the weights."""
    return add(teacher.gradient, student.gradient, factor), _through_step(context, teacher, student, factor)


def direct(context: StepContext, teacher: Term, student: Term, factor: float) -> Parts:
    """The part at fixed weights of teacher + factor * student."""
    return add(teacher.gradient, student.gradient, factor), None


def published(context: StepContext, teacher: Term, student: Term, factor: float) -> Parts:
    """`one_step` without the direct dependence of the labels on A. Uses up the terms' gradients in the weights."""
    return teacher.gradient, _through_step(context, teacher, student, factor)


def _through_step(context: StepContext, teacher: Term, student: Term, factor: float) -> Architecture:
    vector = add_(teacher.weights_gradient, student.weights_gradient, factor)
    student.weights_gradient.clear()  # as large as the supernet, and the next pass is the largest
    return through_teacher_step(context, context.teacher_step.step.vjp_(vector))


COMPOSITIONS = {"one_step": one_step, "direct": direct, "published": published}
