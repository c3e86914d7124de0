"""FasterSeg's search: first-order step on the teacher's validation loss plus latency.

Source: Chen et al., FasterSeg: Searching for Faster Real-time Semantic Segmentation, ICLR 2020, section 3.3.
"""

from __future__ import annotations

from lbt.config.round import RoundSearch
from lbt.search.gradient_terms import add_latency, teacher_term
from lbt.search.method import Method
from lbt.search.step_context import ArchitectureGradient, StepContext


def architecture_gradient(context: StepContext[RoundSearch]) -> ArchitectureGradient:
    """dA [L(T, A, D_t^val) + latency_weight * Lat(A)]."""
    teacher = teacher_term(context)
    return add_latency(context, teacher, teacher.gradient)


METHOD = Method("fasterseg", architecture_gradient)
