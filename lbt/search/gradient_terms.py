"""The terms of the architecture's gradient that several methods share.

Stage 3 of Learning by Teaching is min_A L(T', A, D_t^val) + student_weight * L(S', D_s^val) + latency_weight * Lat(A).
The first and the last term are here, and entropy_weight * H(A), by which a search decides; by default its weight is 0.
A term of one method only is in the folder of that method.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lbt.config.round import RoundSearch
from lbt.latency.expected import expected_latency
from lbt.search.hypergradient import constant_statistics, constant_weights, gradient_of
from lbt.search.step_context import ArchitectureGradient, StepContext, Term
from lbt.search.tensor_dicts import add, add_, norm
from lbt.space.architecture import Architecture
from lbt.space.widths import Widths
from lbt.training.losses import supernet_loss

SupernetLogits = Callable[[Tensor], tuple[Tensor, ...]]
"""From images (B, 3, H, W) to the supernet's five logits."""


def supernet_term(
    context: StepContext[RoundSearch], value: Callable[[SupernetLogits], Tensor], *, in_weights: bool
) -> Term:
    """A term that depends on A through the supernet's logits, summed over the step's passes.

    Args:
        context: the step; the supernet's weights and buffers do not change.
        value: computes the term of a pass, a scalar, with the function that it receives.
        in_weights: whether to compute the gradient in the supernet's weights too, in those that the teacher's last
            step moved.
    """
    moved: dict[str, Tensor] = {}
    if in_weights:
        weights = dict(context.supernet.named_parameters())
        moved = {name: weights[name] for name in context.teacher_step.step.gradient}
    leaves = {**context.architecture, **moved}
    values: list[Tensor] = []
    gradient: dict[str, Tensor] = {}
    with constant_statistics(context.supernet) if in_weights else constant_weights(context.supernet):
        for choose_widths in context.passes:
            widths = choose_widths(context.architecture)
            term = value(partial(_logits, context, widths))
            found = gradient_of(term, leaves, context.processes)
            gradient = add_(gradient, found) if gradient else found
            values.append(term.detach())
    total = torch.stack(values).sum()
    return Term(
        total, {name: gradient[name] for name in context.architecture}, {name: gradient[name] for name in moved}
    )


def _logits(context: StepContext[RoundSearch], widths: Widths, images: Tensor) -> tuple[Tensor, ...]:
    return context.supernet(images, context.architecture, widths)


def teacher_term(context: StepContext[RoundSearch], *, in_weights: bool = False) -> Term:
    """L(T', A, D_t^val)."""
    images, labels = context.validation
    return supernet_term(
        context, lambda logits: supernet_loss(logits(images), labels, context.processes), in_weights=in_weights
    )


def latency_term(context: StepContext[RoundSearch]) -> Term:
    """Lat(A) in milliseconds, with balanced gradients in alpha, beta and gamma.

    Each part is multiplied by its factor of `search.latency_balance`: the gradient of
    w_alpha Lat(alpha) + w_beta Lat(beta) + w_gamma Lat(gamma), as in FasterSeg, section 3.3.
    """
    latency = expected_latency(context.architecture, context.space, context.table)
    factors = dict(zip(("alpha", "beta", "gamma"), context.search.latency_balance, strict=True))
    # Every process computes the whole latency, and `gradient_of` sums over the processes.
    gradient = gradient_of(latency / context.processes.size, context.architecture, context.processes)
    balanced = {name: factors[name.split(".")[0]] * g for name, g in gradient.items()}
    return Term(float(latency.detach()), balanced, {})


def entropy_term(context: StepContext[RoundSearch]) -> Term:
    """H(A): the mean entropy of the rows of A that have a choice, each as a fraction of the largest possible entropy.

    With p the softmax of a row, the derivative of its entropy H = -sum_j p_j log p_j in the logit i is
    -p_i (log p_i + H).
    """
    chances = {name: logits.detach().softmax(-1) for name, logits in context.architecture.items()}
    rows = sum(len(p) for p in chances.values() if p.shape[-1] > 1)
    value, gradient = 0.0, {}
    for name, p in chances.items():
        parts = torch.special.entr(p)  # -p log p, 0 where p is 0
        entropy, share = parts.sum(-1, keepdim=True), 1 / (rows * math.log(max(p.shape[-1], 2)))
        value += share * float(entropy.sum())
        gradient[name] = share * (parts - p * entropy)
    return Term(value, gradient, {})


def add_entropy(context: StepContext[RoundSearch], found: ArchitectureGradient) -> ArchitectureGradient:
    """The gradient of a method plus entropy_weight * the entropy's; the record gets the norm of the latter."""
    entropy = entropy_term(context)
    record = found.record | {"entropy_gradient_norm": norm(entropy.gradient)}
    return ArchitectureGradient(add(found.gradient, entropy.gradient, context.search.entropy_weight), record)


def add_latency(context: StepContext[RoundSearch], teacher: Term, gradient: Architecture) -> ArchitectureGradient:
    """gradient + latency_weight * the latency's gradient, and the record of latency and teacher.

    Args:
        context: the step.
        teacher: the teacher's term.
        gradient: the sum of all terms of the method but the latency.
    """
    latency = latency_term(context)
    record: dict[str, Tensor | float] = {
        "teacher_val_loss": teacher.value / len(context.passes),
        "latency_ms": latency.value,
        "teacher_gradient_norm": norm(teacher.gradient),
        "latency_gradient_norm": norm(latency.gradient),
    }
    return ArchitectureGradient(add(gradient, latency.gradient, context.latency_weight), record)
