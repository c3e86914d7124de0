"""Optimisers, and a guarded step: clipped, and skipped without a trace if a value is not finite.

The device itself decides whether to skip a step, because its fused kernels read a flag. So the host queues further work
and reads the values of several steps at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lbt.config import AdamSettings, OptimizerSettings
from lbt.errors import LbtError
from lbt.runtime.device import copy_many_, fetch

GRADIENT_NORM = "norm of the gradient"
Measured = Mapping[str, Tensor | float]
"""Values of a step by name; those of the device are 0-d tensors."""


def sgd(parameters: Iterable[nn.Parameter], settings: OptimizerSettings) -> torch.optim.SGD:
    """Stochastic gradient descent with these settings."""
    return fused_sgd(parameters, lr=settings.lr, momentum=settings.momentum, weight_decay=settings.weight_decay)


def fused_sgd(parameters: Any, *, lr: float, momentum: float, weight_decay: float = 0.0) -> torch.optim.SGD:
    """PyTorch's fused SGD, in which weights may get their first gradient at different steps.

    Args:
        parameters: tensors or parameter groups, as for `torch.optim.SGD`.
        lr, momentum, weight_decay: as for `torch.optim.SGD`.
    """
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=True)
    optimizer.register_step_pre_hook(_start_momentum)
    return optimizer


def _start_momentum(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Give each weight that gets its first gradient a momentum of 0, which the fused kernel expects to exist."""
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            if parameter.grad is not None and "momentum_buffer" not in optimizer.state[parameter]:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def adam(parameters: Iterable[Tensor], settings: AdamSettings) -> torch.optim.Adam:
    """Adam with these settings."""
    betas = (settings.beta1, settings.beta2)
    return torch.optim.Adam(
        list(parameters), lr=settings.lr, betas=betas, weight_decay=settings.weight_decay, fused=True
    )


def match_strides(parameters: Iterable[Tensor]) -> None:
    """Lay out gradients as their parameters, because fused kernels go through both in the order of their memory."""
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None or gradient.stride() == parameter.stride():
            continue
        layouts = zip(parameter.shape, parameter.stride(), gradient.stride(), strict=True)
        if any(own != other for length, own, other in layouts if length > 1):
            parameter.grad = torch.empty_like(parameter).copy_(gradient)


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
        measured: the values of the last attempt that is not settled yet.
    """

    _COUNTS = ("steps", "skipped", "consecutive", "first")

    def __init__(
        self, what: str, module: nn.Module | None = None, last_good: Path | None = None, limit: int = 20
    ) -> None:
        self.what, self.last_good, self.limit = what, last_good, limit
        self.steps, self.skipped, self.consecutive = 0, 0, 0
        self.first = ""
        self.measured: dict[str, Tensor | float] = {}
        self._buffers = [] if module is None else list(module.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    def attempt(self, optimizer: torch.optim.Optimizer, values: Measured, clip_norm: float) -> Tensor:
        """Step with gradients scaled to a norm of at most `clip_norm`, unless a value is not finite.

        The device decides, and the host does not wait. `settle` has to follow before the next attempt.

        Args:
            optimizer: fused; its parameters hold the gradients, which are removed afterwards.
            values: values that must be finite, by name, in the order of their computation; the gradient comes last.
            clip_norm: largest norm of the gradient.

        Returns:
            The norm before clipping, 0-d; NaN if the update is skipped.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        match_strides(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, clip_norm) if parameters else 0.0
        self.measured = {**values, GRADIENT_NORM: norm}
        device = parameters[0].device if parameters else torch.device("cpu")
        tensors = [value.detach() for value in self.measured.values() if isinstance(value, Tensor)]
        numbers = [value for value in self.measured.values() if not isinstance(value, Tensor)]
        bad = torch.stack([*(t.double() for t in tensors), torch.zeros((), dtype=torch.float64, device=device)])
        bad = bad.isfinite().all().logical_not() | (not all(map(math.isfinite, numbers)))
        optimizer.found_inf = bad.to(torch.float32)  # type: ignore[attr-defined]  # read by PyTorch's fused kernels
        optimizer.step()
        del optimizer.found_inf  # type: ignore[attr-defined]
        optimizer.zero_grad(set_to_none=True)
        return torch.where(bad, math.nan, norm)

    def settle(self, measured: Mapping[str, float] | None = None) -> None:
        """Count the last attempt, and restore the running statistics if it was skipped.

        Args:
            measured: `self.measured` as numbers of the host, if they have been fetched.

        Raises:
            LbtError: `limit` updates in a row were skipped; the first value that was not finite is named.
        """
        measured = fetch(self.measured) if measured is None else measured
        self.measured = {}
        bad = next((f"{name} = {value:g}" for name, value in measured.items() if not math.isfinite(value)), None)
        if bad is not None:
            self._undo(bad)
        else:
            self.consecutive = 0
            copy_many_(self._kept, self._buffers)
        self.steps += 1
        if self.consecutive >= self.limit:
            raise LbtError(
                f"{self.what}: {self.limit} updates in a row had a value that is not finite. The first was at "
                f"{self.first}; the last was {bad}. Lower the learning rate or `clip_norm` of this step and "
                f"rerun.{self._describe_rerun()}"
            )

    def apply(self, optimizer: torch.optim.Optimizer, values: Measured, clip_norm: float) -> float:
        """`attempt` and `settle` at once, for which the host waits; returns the norm, NaN if the update was skipped."""
        norm = self.attempt(optimizer, values, clip_norm)
        measured = fetch(self.measured | {"": norm})
        found = measured.pop("")
        self.settle(measured)
        return found

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
        copy_many_(self._buffers, self._kept)


def settle(guards: Mapping[str, GuardedStep], values: Measured) -> tuple[dict[str, float], set[str]]:
    """Settle all attempts; the host waits once for them and for `values`.

    Returns:
        `values` as numbers, and the names of the guards whose attempt was skipped.

    Raises:
        LbtError: see `GuardedStep.settle`.
    """
    attempts = {key: guard.measured for key, guard in guards.items() if guard.measured}
    wanted: dict[tuple[str, str], Tensor | float] = {("", name): value for name, value in values.items()}
    wanted |= {(key, name): value for key, own in attempts.items() for name, value in own.items()}
    found = fetch(wanted)
    for key, own in attempts.items():
        guards[key].settle({name: found[key, name] for name in own})
    return {name: found["", name] for name in values}, {key for key in attempts if guards[key].consecutive}
