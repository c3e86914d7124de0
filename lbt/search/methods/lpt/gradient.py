"""Learning by Passing Tests: the architecture passes tests, which a creator learns to make hard and meaningful.

Source: Du, Zhang and Xie, Learning by Passing Tests, with Application to Neural Architecture Search, 2020. The learner
is (A, T); its step is of first order, as published. Tester and creator are in `lbt.search.methods.lpt.tester`.
"""

from __future__ import annotations

from lbt.config.round import LptSearch
from lbt.search.gradient_terms import add_latency
from lbt.search.methods.lpt.tester import bank_term
from lbt.search.step_context import ArchitectureGradient, StepContext


def architecture_gradient(context: StepContext[LptSearch]) -> ArchitectureGradient:
    """dA [sum_x share(x) L(T, A; x) + latency_weight * Lat(A)] over the images of D_t^val."""
    learner = bank_term(context)
    return add_latency(context, learner, learner.gradient)
