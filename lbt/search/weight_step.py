"""A recorded SGD step as a function of its gradient, so that we can differentiate through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lbt.runtime.device import copy_many_
from lbt.runtime.distributed import Group
from lbt.training.optimizers import GuardedStep, Measured, match_strides

_CHUNK = 64
"""Tensors of one launch, so that the products of all weights do not exist at once."""


@dataclass(frozen=True)
class WeightStep:
    """A step of SGD as a function of its gradient g: w' = w - lr * (momentum * buffer + clip(g) + weight_decay * w).

    Momentum and weight decay move w', but they do not change how w' depends on g.

    Attributes:
        before: the weights w by name; empty if they were not kept.
        gradient: clip(g) by name, for the weights that have a gradient.
        norm: Euclidean norm of g, 0-d; NaN if the step was skipped.
        clip_norm: largest norm; a longer g is scaled down to it.
        lr: the learning rate.
    """

    before: Mapping[str, Tensor]
    gradient: Mapping[str, Tensor]
    norm: Tensor
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
        torch._foreach_mul_(pulled, -self.lr * factor.clamp(max=1))
        # The device decides whether g was clipped, so that the host need not wait for its norm.
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(names), _CHUNK)]
        clipped = list(self.gradient.values())
        products = [ab.sum(dtype=torch.float64) for c in chunks for ab in torch._foreach_mul(clipped[c], pulled[c])]
        along = torch.stack(products).sum() / (factor * self.clip_norm * self.norm)
        share = torch.where(factor < 1, -along, 0).to(factor.dtype)
        for c in chunks:
            torch._foreach_add_(pulled[c], torch._foreach_mul(clipped[c], share))
        return dict(zip(names, pulled, strict=True))


def take_step(
    module: nn.Module,
    optimizer: torch.optim.SGD,
    guard: GuardedStep,
    values: Measured,
    clip_norm: float,
    processes: Group,
    *,
    keep_before: bool = True,
) -> WeightStep:
    """Step with the gradients of the module's parameters, summed over the processes of the job.

    The host does not wait. `GuardedStep.settle` tells whether the step was skipped, in which case its record is of no
    use.

    Args:
        module: the module to step.
        optimizer: over all of its parameters, as `lbt.training.optimizers.sgd` makes it.
        guard, values, clip_norm: see `GuardedStep.attempt`.
        processes: the processes that share the batch.
        keep_before: whether the record holds the weights before the step.
    """
    parameters = dict(module.named_parameters())
    before = copy(parameters) if keep_before else {}
    processes.sum_gradients(parameters.values())
    match_strides(parameters.values())  # before the record takes the gradients
    gradient = {name: p.grad for name, p in parameters.items() if p.grad is not None}
    norm = guard.attempt(optimizer, values, clip_norm)
    return WeightStep(before, gradient, norm, clip_norm, optimizer.param_groups[0]["lr"])


@torch.no_grad()
def copy(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies by name, without gradient."""
    copies = {name: torch.empty_like(value) for name, value in values.items()}
    copy_many_(list(copies.values()), list(values.values()))
    return copies
