"""What a search method is: the gradient of its architecture step, and the network that learns beside the supernet."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from lbt.config import SearchSettings
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.search.batches import RoundStreams
from lbt.search.step_context import ArchitectureGradient, StepContext
from lbt.search.torchvision_network import build_student
from lbt.training.optimizers import GuardedStep, set_learning_rate, sgd


class Partner(ABC):
    """A segmentation network with its optimiser, and what it does in each step of a round.

    Args:
        search: settings of the search; `student` among them describes the network.
        num_classes: number of classes.
        seed: seed of the first weights.
        device: where it runs.
        pretrained: whether its first weights are those of the settings; a round that continues brings its own.
    """

    NAME: ClassVar[str]
    """What the network is called in checkpoints, columns and messages."""
    COLUMNS: ClassVar[tuple[str, ...]]
    """Columns of `metrics.csv` that `learn` fills."""
    AFTER_COLUMNS: ClassVar[tuple[str, ...]] = ()
    """Columns that `after_architecture` fills."""

    def __init__(
        self, search: SearchSettings, num_classes: int, seed: int, device: torch.device, *, pretrained: bool = True
    ) -> None:
        self.search = search
        self.network = self._build(num_classes, seed, pretrained).to(device)
        self.optimizer = sgd(self.network.parameters(), search.student.optimizer)
        self.guards: dict[str, GuardedStep] = {}

    def _build(self, num_classes: int, seed: int, pretrained: bool) -> nn.Module:
        return build_student(self.search.student, num_classes, seed, pretrained=pretrained)

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All of its optimisers, by what they move."""
        return {self.NAME: self.optimizer}

    def begin_round(self, name: str, decay: float, last_good: Path) -> None:
        """Set the learning rate of a round and new guards.

        Args:
            name: method and round, for messages.
            decay: factor on the learning rate.
            last_good: the checkpoint that the round started from.
        """
        set_learning_rate(self.optimizer, self.search.student.optimizer.lr * decay)
        self.guards = {self.NAME: GuardedStep(f"{self.NAME} ({name})", self.network, last_good)}

    @abstractmethod
    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[Any]:
        """The batches of a round, one item per step.

        Args:
            streams: makes them.
            steps: how many.
            labels: the teacher's labels; None for methods that label nothing.
        """

    @abstractmethod
    def train_step(self, lesson: Any, noise_seed: int) -> tuple[dict[str, float], Any]:
        """One step of the network's weights.

        Returns:
            Values of `COLUMNS`, and what the step was made of; None if it was skipped.
        """

    def after_architecture(self, context: StepContext) -> dict[str, float]:
        """What follows on a step of the architecture; values of `AFTER_COLUMNS`."""
        return {}

    def parts(self) -> dict[str, Any]:
        """All that learns, by its name in a checkpoint; see `lbt.runtime.checkpoint`."""
        return {self.NAME: self.network, f"{self.NAME}_optimizer": self.optimizer}


@dataclass(frozen=True)
class Method:
    """A search method; the round's loop, its budget and its artefacts are the same for all.

    Attributes:
        name: its name in settings and tables.
        architecture_gradient: the gradient of an architecture step, or None if the architecture does not move.
        partner: the network that learns beside the supernet, or None.
    """

    name: str
    architecture_gradient: Callable[[StepContext], ArchitectureGradient] | None
    partner: type[Partner] | None = None
