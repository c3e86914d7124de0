"""One guarded optimiser step: clipped, and skipped when a gradient is not finite."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from lbt.config import OptimizerSettings
from lbt.errors import LbtError


def sgd(parameters: Iterable[nn.Parameter], settings: OptimizerSettings) -> torch.optim.SGD:
    """Stochastic gradient descent as the settings say."""
    return torch.optim.SGD(parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


class GuardedStep:
    """Applies optimiser steps, skips those whose loss or gradient is not finite, and stops after too many in a row.

    Args:
        what: name of the stepped quantity in messages, such as `teacher weights`.
        limit: consecutive skipped updates that end the run.
    """

    def __init__(self, what: str, limit: int = 20) -> None:
        self.what, self.limit = what, limit
        self.skipped, self.consecutive = 0, 0

    def apply(self, optimizer: torch.optim.Optimizer, loss: Tensor | float, clip_norm: float) -> float:
        """Step with gradients scaled to a norm of at most `clip_norm`.

        Returns:
            The norm before clipping; not finite if the update was skipped.

        Raises:
            LbtError: `limit` updates in a row were skipped.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(parameters, clip_norm)) if parameters else 0.0
        finite = bool(torch.isfinite(torch.as_tensor(loss))) and norm < float("inf")
        if finite:
            optimizer.step()
            self.consecutive = 0
        else:
            self.skipped += 1
            self.consecutive += 1
        optimizer.zero_grad(set_to_none=True)
        if self.consecutive >= self.limit:
            raise LbtError(
                f"{self.what}: {self.limit} updates in a row had a loss or gradient that is not finite (last loss "
                f"{float(loss):g}, last gradient norm {norm:g}). Lower the learning rate of this step and rerun."
            )
        return norm if finite else float("nan")
