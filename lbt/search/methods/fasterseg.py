"""FasterSeg's search: first-order step on the teacher's validation loss plus latency.

Source: Chen et al., FasterSeg: Searching for Faster Real-time Semantic Segmentation, ICLR 2020, section 3.3.
"""

from __future__ import annotations

from lbt.search.architecture_step import ArchitectureGradient, Method, StepContext, combine, teacher_term


def architecture_gradient(context: StepContext) -> ArchitectureGradient:
    """dA [L(T, A, D_t^val) + latency_weight * Lat(A)]."""
    return combine(context, teacher_term(context))


METHOD = Method(name="fasterseg", teaches=False, architecture_gradient=architecture_gradient)
