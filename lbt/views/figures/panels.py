"""The quantities of each figure of curves, and the least width of their axes."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One quantity.

    An axis is at least `span` wide, and at least `share` times the largest value. A quantity that changes by far less
    is drawn flat, because on a narrower axis rounding would look like convergence.

    Attributes:
        column: its column in the steps.
        title: its name and unit.
        span: least width of its axis.
        share: least width of its axis, as a share of the largest value.
        bounds: the smallest and the largest possible value.
        positive: whether its axis becomes logarithmic when the values span more than `scales.DECADES`.
        counts: whether it is a growing count, drawn step by step without means.
        scored: whether it is measured only after rounds; the title names the round if there is only one value.
    """

    column: str
    title: str
    span: float = 0.0
    share: float = 0.1
    bounds: tuple[float, float] = (0.0, math.inf)
    positive: bool = False
    counts: bool = False
    scored: bool = False


def _entropy(name: str, what: str) -> Panel:
    return Panel(f"entropy_{name}", f"entropy of the {what} (1: uniform)", span=0.01, share=0.0, bounds=(0.0, 1.0))


WARMUP = (
    Panel("supernet_loss", "supernet: loss"),
    Panel("student_loss", "student: loss"),
    Panel("supernet_gradient_norm", "supernet: norm of the gradient", positive=True),
    Panel("student_gradient_norm", "student: norm of the gradient", positive=True),
)
LOSSES = (
    Panel("supernet_miou", "supernet: held-out mIoU (%)", span=5.0, bounds=(0.0, 100.0), scored=True),
    Panel("teacher_loss", "teacher: loss, training images"),
    Panel("teacher_val_loss", "teacher: loss, validation images"),
    Panel("student_loss", "student: loss, training images"),
    Panel("student_val_loss", "student: loss, validation images"),
    Panel("pseudo_loss", "student: loss, teacher's labels"),
    Panel("tester_loss", "tester: loss, training images"),
    Panel("tester_val_loss", "tester: loss, validation images"),
    Panel("bank_loss", "tester: loss, test bank"),
)
ARCHITECTURE = (
    Panel("latency_ms", "expected latency (ms)", share=0.01),
    Panel("fps", "predicted FPS of the derived network", share=0.05),
    Panel("latency_weight", "weight of the latency", positive=True),
    _entropy("alpha", "operators"),
    _entropy("beta", "paths"),
    _entropy("gamma", "widths"),
)
GRADIENTS = (
    Panel("teacher_weight_gradient_norm", "teacher: gradient norm of the weights", positive=True),
    Panel("student_weight_gradient_norm", "student: gradient norm of the weights", positive=True),
    Panel("tester_weight_gradient_norm", "tester: gradient norm of the weights", positive=True),
    Panel("architecture_gradient_norm", "architecture: gradient norm", positive=True),
    Panel("skipped", "skipped updates so far", counts=True),
    Panel("teacher_gradient_norm", "architecture: norm of the teacher's part", positive=True),
    Panel("student_gradient_norm", "architecture: raw norm of the student's part", positive=True),
    Panel("latency_gradient_norm", "architecture: norm of the latency's part", positive=True),
    Panel("teacher_student_cosine", "architecture: cosine, teacher and student", span=0.2, bounds=(-1.0, 1.0)),
)
RETRAINING = (
    Panel("loss", "retraining: loss"),
    Panel("gradient_norm", "retraining: norm of the gradient", positive=True),
    Panel("distillation_loss", "retraining: divergence from the guide"),
)
