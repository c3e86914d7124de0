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
from lbt.search.context import Architecture, ArchitectureGradient, StepContext, Term, add, norm
from lbt.search.method import Method
from lbt.search.teaching import Student, student_term
from lbt.search.terms import put_together, teacher_term, through_teacher_step

TEACHES = True
SETTINGS = (
    "student",
    "pseudo_weight",
    "pseudo_labels",
    "student_weight",
    "student_term",
    "gradient",
    "second_derivative",
    "second_order_limit",
)


def architecture_gradient(context: StepContext) -> ArchitectureGradient:
    """The gradient of stage 3 as `search.gradient` says, plus that of the latency."""
    in_weights = context.search.gradient != "direct"
    teacher, student = teacher_term(context, in_weights=in_weights), student_term(context, in_weights=in_weights)
    factor = student_factor(context.search, teacher, student)
    first, second = COMPOSITIONS[context.search.gradient](context, teacher, student.scaled(factor))
    return put_together(context, teacher, first, second=second, student=student, factor=factor)


def student_factor(search: SearchSettings, teacher: Term, student: Term) -> float:
    """What the student's term is multiplied by; `matched` gives it the norm of the teacher's, at fixed weights."""
    length = norm(student.gradient)
    matched = search.student_term == "matched" and length > 0
    return search.student_weight * (norm(teacher.gradient) / length if matched else 1.0)


def one_step(context: StepContext, teacher: Term, student: Term) -> tuple[Architecture, Architecture | None]:
    """All of the gradient: the part at fixed weights, and that through the teacher's step."""
    vector = add(teacher.weights_gradient, student.weights_gradient)
    return add(teacher.gradient, student.gradient), through_teacher_step(context, vector)


def direct(context: StepContext, teacher: Term, student: Term) -> tuple[Architecture, Architecture | None]:
    """The part at fixed weights."""
    return add(teacher.gradient, student.gradient), None


def published(context: StepContext, teacher: Term, student: Term) -> tuple[Architecture, Architecture | None]:
    """Without the direct dependence of the labels on A."""
    vector = add(teacher.weights_gradient, student.weights_gradient)
    return teacher.gradient, through_teacher_step(context, vector)


COMPOSITIONS = {"one_step": one_step, "direct": direct, "published": published}

METHOD = Method("lbt", architecture_gradient, Student)
