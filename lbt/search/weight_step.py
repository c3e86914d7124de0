"""A recorded SGD step as a function of its gradient, so that we can differentiate through it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbt.runtime.distributed import Group
from lbt.training.optimizers import GuardedStep


@dataclass(frozen=True)
class WeightStep:
    """A step of SGD as a function of its gradient g: w' = w - lr * (momentum * buffer + clip(g) + weight_decay * w).

    Momentum and weight decay move w', but they do not change how w' depends on g.

    Attributes:
        before: the weights w by name.
        gradient: clip(g) by name, for the weights that have a gradient.
        norm: Euclidean norm of g.
        clip_norm: largest norm; a longer g is scaled down to it.
        lr: the learning rate.
    """

    before: Mapping[str, Tensor]
    gradient: Mapping[str, Tensor]
    norm: float
    clip_norm: float
    lr: float

    def vjp_(self, vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The transposed derivative of w' in g times a vector, in place because copies of all weights are large.

        If `vector` is the gradient of a function in w', the result is its gradient in g. If g was clipped, its length
        does not change w', so the part along g is removed.

        Args:
            vector: by name, tensors that share no memory; they are overwritten. Further names are ignored.
        """
        names, factor = list(self.gradient), self.clip_norm / (self.norm + 1e-6)  # as in `clip_grad_norm_` of PyTorch
        pulled = [vector[name] for name in names]
        torch._foreach_mul_(pulled, -self.lr * min(factor, 1.0))
        if factor < 1:
            clipped = list(self.gradient.values())
            along = sum(float((a * b).sum(dtype=torch.float64)) for a, b in zip(clipped, pulled, strict=True))
            torch._foreach_add_(pulled, clipped, alpha=-along / (factor * self.clip_norm * self.norm))
        return dict(zip(names, pulled, strict=True))


def take_step(
    module: nn.Module,
    optimizer: torch.optim.SGD,
    guard: GuardedStep,
    values: Mapping[str, Tensor | float],
    clip_norm: float,
    processes: Group,
) -> tuple[float, WeightStep | None]:
    """Step with the gradients of the module's parameters, summed over the processes of the job.

    Args:
        module: the module to step.
        optimizer: over all of its parameters, as `lbt.training.optimizers.sgd` makes it.
        guard, values, clip_norm: see `GuardedStep.apply`.
        processes: the processes that share the batch.

    Returns:
        The norm of the gradient, and the step; NaN and None if it was skipped.
    """
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    processes.sum_gradients(module.parameters())
    gradient = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    norm = guard.apply(optimizer, values, clip_norm)
    if not math.isfinite(norm):
        return norm, None
    return norm, WeightStep(before, gradient, norm, clip_norm, optimizer.param_groups[0]["lr"])
