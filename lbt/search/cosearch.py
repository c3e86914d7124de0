"""The guide: a second architecture on the same weights, at full width and without latency, that distils into the first.

FasterSeg calls this co-searching and the guide a teacher (Chen et al., ICLR 2020, section 3.4); here the teacher is the
supernet, whose labels a student learns from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.search.hypergradient import Parameters, call_without_side_effects, loss_gradient
from lbt.search.step_context import StepContext, norm
from lbt.space.architecture import Architecture, entropies
from lbt.space.widths import max_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep


def guide_step(
    guide: Architecture, optimizer: torch.optim.Optimizer, context: StepContext, guard: GuardedStep
) -> dict[str, float]:
    """One first-order step of the guide on L(T, guide, D_t^val) at the full width.

    Args:
        guide: logits as leaves; those of gamma do not require gradients and stay.
        optimizer: holds the leaves of alpha and beta.
        context: supernet, validation batch and settings of this step; weights and buffers stay untouched.
        guard: applies the step.

    Returns:
        The loss, and the norm of its gradient before clipping.
    """
    images, labels = context.validation
    weights = {name: p.detach() for name, p in context.supernet.named_parameters()}
    widths = max_widths(context.space)
    moving = {name: leaf for name, leaf in guide.items() if leaf.requires_grad}

    def loss(leaves: Parameters) -> Tensor:
        outputs = call_without_side_effects(context.supernet, weights, images, {**guide, **leaves}, widths)
        return supernet_loss(outputs, labels)

    value, gradient = loss_gradient(loss, moving)
    for name, leaf in moving.items():
        leaf.grad = gradient[name]
    length = norm(gradient)
    guard.apply(optimizer, {"validation loss": value}, context.search.architecture.clip_norm)
    return {"guide_val_loss": float(value), "guide_gradient_norm": length}


def guide_entropies(guide: Architecture) -> dict[str, float]:
    """Mean entropy of the guide's choices of operator and predecessor, as in `lbt.space.architecture.entropies`."""
    found = entropies(guide)
    return {f"guide_entropy_{name}": found[name] for name in ("alpha", "beta")}
