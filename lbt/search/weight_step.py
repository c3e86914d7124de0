"""A step of weights that was taken, kept as a function of its gradient, so that what moved the gradient can be told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbt.runtime.distributed import group
from lbt.training.optimizers import GuardedStep


@dataclass(frozen=True)
class WeightStep:
    """A step of SGD as a function of its gradient g: w' = w - lr * (momentum * buffer + clip(g) + weight_decay * w).

    Momentum and weight decay move w', but not how w' depends on g.

    Attributes:
        before: the weights w by name.
        gradient: clip(g) by name, for those weights that have a gradient.
        norm: Euclidean norm of g.
        clip_norm: the norm to which a longer g is scaled down.
        lr: the learning rate.
    """

    before: Mapping[str, Tensor]
    gradient: Mapping[str, Tensor]
    norm: float
    clip_norm: float
    lr: float

    def vjp_(self, vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The transposed derivative of w' in g, applied to a vector in place: copies of all weights are large.

        If `vector` is the gradient of a function in w', the result is its gradient in g. Where g was clipped, the part
        along g, which does not change w', is taken out.

        Args:
            vector: by name, tensors that share no memory; they are overwritten. Further names are left out.
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
) -> tuple[float, WeightStep | None]:
    """Step with the gradients that the module's parameters hold, summed over the processes of the job.

    Args:
        module: the stepped module.
        optimizer: over all of its parameters, as `lbt.training.optimizers.sgd` makes it.
        guard, values, clip_norm: see `GuardedStep.apply`.

    Returns:
        The norm of the gradient, and the step; NaN and None if it was skipped.
    """
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    group().sum_gradients(module.parameters())
    gradient = {name: p.grad for name, p in module.named_parameters() if p.grad is not None}
    norm = guard.apply(optimizer, values, clip_norm)
    if not math.isfinite(norm):
        return norm, None
    return norm, WeightStep(before, gradient, norm, clip_norm, optimizer.param_groups[0]["lr"])
