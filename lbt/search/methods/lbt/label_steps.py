"""The student's last steps, whose labels still move it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lbt.search.weight_step import WeightStep


@dataclass(frozen=True)
class LabelStep:
    """A step of the student's weights on the teacher's labels, S -> S'.

    Attributes:
        step: the step.
        unlabeled: the images (B, 3, H, W) that the teacher labelled for this step.
        weight: weights (B, H, W) of their pixels.
        noise_seed: seed of the dropout in that step.
    """

    step: WeightStep
    unlabeled: Tensor
    weight: Tensor
    noise_seed: int


class RecentSteps:
    """The last steps, the newest first, kept in checkpoints with a copy of the student's weights each.

    Args:
        count: number of steps to keep.
        device: receives the tensors of a checkpoint.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._steps: deque[LabelStep] = deque(maxlen=count)
        self._device = device

    def __iter__(self) -> Iterator[LabelStep]:
        return iter(self._steps)

    def add(self, step: LabelStep) -> None:
        """Put a step in front, and forget the oldest one if there are too many."""
        self._steps.appendleft(step)

    def state_dict(self) -> dict[str, Any]:
        """The steps as plain values and tensors."""
        return {"steps": [{**vars(step), "step": vars(step.step)} for step in self._steps]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self._steps.clear()
        for item in saved["steps"]:
            moved = {name: self._moved(value) for name, value in item.items()}
            self._steps.append(LabelStep(**moved | {"step": WeightStep(**moved["step"])}))

    def _moved(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._moved(inner) for name, inner in value.items()}
        return value.to(self._device) if isinstance(value, Tensor) else value
