"""Optimisers, and a guarded step: clipped, and skipped without a trace if a value is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lbt.config import AdamSettings, OptimizerSettings
from lbt.errors import LbtError


def sgd(parameters: Iterable[nn.Parameter], settings: OptimizerSettings) -> torch.optim.SGD:
    """Stochastic gradient descent with these settings."""
    return torch.optim.SGD(parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)


def adam(parameters: Iterable[Tensor], settings: AdamSettings) -> torch.optim.Adam:
    """Adam with these settings."""
    betas = (settings.beta1, settings.beta2)
    return torch.optim.Adam(list(parameters), lr=settings.lr, betas=betas, weight_decay=settings.weight_decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = lr


class GuardedStep:
    """Applies optimiser steps, skips those with a value that is not finite, and stops after too many in a row.

    A skipped step restores weights, momentum and running statistics, so the memory always holds the last good state.

    Args:
        what: what the steps update, for messages, such as `teacher (lbt, round 2)`.
        module: its running statistics are restored after a skipped step; None if there are none.
        last_good: file from which a rerun starts, for the message that ends a run.
        limit: number of skipped updates in a row that ends the run.

    Attributes:
        steps: number of the next step in messages, from 0; a caller that does not apply every step sets it.
        skipped: number of skipped steps.
        consecutive: number of skipped steps in a row, up to now.
        first: the first value that was not finite in this streak, and its step.
    """

    _COUNTS = ("steps", "skipped", "consecutive", "first")

    def __init__(
        self, what: str, module: nn.Module | None = None, last_good: Path | None = None, limit: int = 20
    ) -> None:
        self.what, self.last_good, self.limit = what, last_good, limit
        self.steps, self.skipped, self.consecutive = 0, 0, 0
        self.first = ""
        self._buffers = [] if module is None else list(module.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    def apply(self, optimizer: torch.optim.Optimizer, values: Mapping[str, Tensor | float], clip_norm: float) -> float:
        """Step with gradients scaled to a norm of at most `clip_norm`.

        Args:
            optimizer: its parameters hold the gradients, which are removed afterwards.
            values: values that must be finite, by name, in the order of their computation; the gradient comes last.
            clip_norm: largest norm of the gradient.

        Returns:
            The norm before clipping; NaN if the update was skipped.

        Raises:
            LbtError: `limit` updates in a row were skipped; the first value that was not finite is named.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = float(nn.utils.clip_grad_norm_(parameters, clip_norm)) if parameters else 0.0
        bad = next((f"{k} = {float(v):g}" for k, v in values.items() if not math.isfinite(float(v))), None)
        if bad is None and not math.isfinite(norm):
            bad = f"norm of the gradient = {norm:g}"
        if bad is None:
            optimizer.step()
            self.consecutive = 0
            if self._buffers:
                torch._foreach_copy_(self._kept, self._buffers)
        else:
            self._undo(bad)
        optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        if self.consecutive >= self.limit:
            raise LbtError(
                f"{self.what}: {self.limit} updates in a row had a value that is not finite. The first was at "
                f"{self.first}; the last was {bad}. Lower the learning rate or `clip_norm` of this step and "
                f"rerun.{self._describe_rerun()}"
            )
        return norm if bad is None else math.nan

    def skip_streak(self) -> dict[str, Any]:
        """The current streak of skipped updates, with which the guard of the next round continues."""
        return {"consecutive": self.consecutive, "first": self.first}

    def resume_streak(self, streak: Mapping[str, Any]) -> None:
        """Continue the streak that `skip_streak` of the previous round's guard returned."""
        self.consecutive, self.first = streak["consecutive"], streak["first"]

    def _describe_rerun(self) -> str:
        if self.last_good is None:
            return ""
        if f" of {self.what}: " in self.first:
            return f" The last good state is {self.last_good}; a rerun starts there."
        return f" {self.last_good} is already bad: delete it and all checkpoints back to that step."

    def state_dict(self) -> dict[str, Any]:
        """The state from which an interrupted run resumes: counts, first bad value, last good statistics."""
        return {name: getattr(self, name) for name in self._COUNTS} | {"kept": self._kept}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        for name in self._COUNTS:
            setattr(self, name, saved[name])
        for kept, value in zip(self._kept, saved["kept"], strict=True):
            kept.copy_(value)

    def _undo(self, bad: str) -> None:
        if self.consecutive == 0:
            self.first = f"step {self.steps} of {self.what}: {bad}"
        self.skipped += 1
        self.consecutive += 1
        with torch.no_grad():
            if self._buffers:
                torch._foreach_copy_(self._buffers, self._kept)
