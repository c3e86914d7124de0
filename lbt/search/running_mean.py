"""Means of vectors over the steps of a search, kept in its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lbt.search.tensor_dicts import add, scale


class RunningMean:
    """The mean of the vectors x_1, x_2, ... in which x_k of n has the weight decay^(n - k), divided by their sum.

    The division removes the bias towards the start, as in Adam (Kingma and Ba, ICLR 2015, algorithm 1).

    Args:
        decay: in [0, 1]. With 0 the mean is the last vector; with 1 it is the plain mean.

    Attributes:
        weight: the sum of the weights up to now; with a decay of 1, the number of vectors.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.weight = decay, 0.0
        self._sum: dict[str, Tensor] = {}

    def including(self, value: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The mean if `value` came next; nothing changes."""
        total, weight = self._next(value)
        return scale(total, 1 / weight)

    def update(self, value: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take `value` as the next vector, and return the mean. A vector that is not finite changes nothing."""
        total, weight = self._next(value)
        # One number for all, because the host waits for it. The norm of a finite part could overflow only above 1e19.
        if bool(torch.stack(torch._foreach_norm(list(value.values()))).isfinite().all()):
            self._sum, self.weight = total, weight
        return scale(total, 1 / weight)

    def clear(self) -> None:
        """Forget all vectors."""
        self._sum, self.weight = {}, 0.0

    def _next(self, value: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], float]:
        if not self._sum or self.decay == 0:
            return {name: part.clone() for name, part in value.items()}, 1.0
        past = {name: part.to(value[name]) for name, part in self._sum.items()}  # a checkpoint is read onto the CPU
        return add(value, past, self.decay), 1.0 + self.decay * self.weight

    def state_dict(self) -> dict[str, Any]:
        """Everything that a checkpoint keeps. With a decay of 0 nothing of the past has an effect."""
        return {"weight": self.weight, "sum": self._sum} if self.decay else {}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        if self.decay:
            self.weight = float(saved["weight"])
            self._sum = {name: torch.as_tensor(part) for name, part in saved["sum"].items()}
