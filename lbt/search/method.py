"""A search method: the gradient of its architecture step, and its partner, a second model that it trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lbt.config.round import RoundSearch, StudentSearch
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.device import FLOAT32, Precision
from lbt.runtime.distributed import Group
from lbt.search.batches import RoundStreams
from lbt.search.step_context import ArchitectureGradient, StepContext
from lbt.search.student_file import load_student, student_identity
from lbt.search.torchvision_network import build_network
from lbt.training.optimizers import GuardedStep, set_learning_rate, sgd


class Partner:
    """A second model that a method trains beside the supernet. This base class is for methods without one.

    Args:
        search: settings of the search.
        num_classes: number of classes.
        seed: seed of the first weights.
        device: device of the weights.
        processes: the processes of the job, which share every batch.

    Attributes:
        copies: copies of its network's weights that a checkpoint may hold beside network and optimiser.
        guards: its guarded updates, by what they update.
        optimizers: its optimisers, by what they update.
    """

    NAME: ClassVar[str] = "student"
    """Its name in checkpoints, columns and messages. Methods without a partner leave the student's columns blank."""
    COLUMNS: ClassVar[tuple[str, ...]] = ()
    """Columns of `metrics.csv` that `train_step` fills."""
    AFTER_COLUMNS: ClassVar[tuple[str, ...]] = ()
    """Columns that `after_architecture_step` fills."""

    def __init__(
        self, search: RoundSearch, num_classes: int, seed: int, device: torch.device, processes: Group
    ) -> None:
        self.search, self.processes, self.copies = search, processes, 0
        self.guards: dict[str, GuardedStep] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    def begin_search(self, student: Path, classes: tuple[str, ...], seed: int) -> None:
        """Take the weights of the student after its warm-up, before the first round.

        Args:
            student: its checkpoint.
            classes: names of the classes.
            seed: seed of the search.

        Raises:
            LbtError: the checkpoint cannot be read, or is of another student.
        """

    def begin_round(self, name: str, decay: float, last_good: Path) -> None:
        """Set the learning rate of a round and create its guards.

        Args:
            name: method and round, for messages.
            decay: factor on the learning rate.
            last_good: the checkpoint from which the round started.
        """

    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[Any]:
        """The batches of a round, one item per step.

        Args:
            streams: creates them.
            steps: number of items.
            labels: the teacher's labels; None for methods that do not need them.
        """
        return repeat(None)

    def train_step(
        self, batch: Any, noise_seed: int, precision: Precision = FLOAT32
    ) -> tuple[Mapping[str, Tensor | float], Any]:
        """One step of its weights, for which the host does not wait.

        Args:
            batch: an item of `batches`.
            noise_seed: seed of the dropout.
            precision: the number format of the step; what the architecture's gradient reads is always float32.

        Returns:
            Values of `COLUMNS`, numbers or 0-d, and a record of the step for `StepContext.partner_step`.
        """
        return {}, ()

    def keep_step(self, step: Any) -> None:
        """Take the record of a step into what later steps depend on, once it is known that it was not skipped."""

    def after_architecture_step(self, context: StepContext[Any], record: Mapping[str, float]) -> dict[str, float]:
        """Update what depends on the architecture step.

        Args:
            context: the step.
            record: its values for `metrics.csv`.

        Returns:
            Values of `AFTER_COLUMNS`.
        """
        return {}

    def parts(self) -> dict[str, Any]:
        """Everything that a checkpoint keeps, by name; see `lbt.runtime.checkpoint`."""
        return {}


class PartnerNetwork(Partner, ABC):
    """A partner with a segmentation network, as `search.student` describes it, and its optimiser."""

    search: StudentSearch

    def __init__(
        self, search: StudentSearch, num_classes: int, seed: int, device: torch.device, processes: Group
    ) -> None:
        super().__init__(search, num_classes, seed, device, processes)
        self.network = self.build(num_classes, seed).to(device)
        self.optimizer = sgd(self.network.parameters(), search.student.optimizer)
        self.optimizers[self.NAME] = self.optimizer

    def build(self, num_classes: int, seed: int) -> nn.Module:
        """The network, with random weights."""
        return build_network(self.search.student, num_classes, seed, self.processes)

    def torchvision_state(self) -> dict[str, Tensor]:
        """The network's weights and running statistics, not copies, by torchvision's names."""
        return self.network.state_dict()

    def begin_search(self, student: Path, classes: tuple[str, ...], seed: int) -> None:
        """See `Partner.begin_search`."""
        load_student(student, self.torchvision_state(), student_identity(classes, self.search.student.model, seed))

    def begin_round(self, name: str, decay: float, last_good: Path) -> None:
        """See `Partner.begin_round`."""
        set_learning_rate(self.optimizer, self.search.student.optimizer.lr * decay)
        self.guards = {self.NAME: GuardedStep(f"{self.NAME} ({name})", self.network, last_good)}

    @abstractmethod
    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[Any]:
        """See `Partner.batches`."""

    @abstractmethod
    def train_step(
        self, batch: Any, noise_seed: int, precision: Precision = FLOAT32
    ) -> tuple[Mapping[str, Tensor | float], Any]:
        """See `Partner.train_step`."""

    def parts(self) -> dict[str, Any]:
        """See `Partner.parts`."""
        return {self.NAME: self.network, f"{self.NAME}_optimizer": self.optimizer}


@dataclass(frozen=True)
class Method:
    """A search method. The loop of a round, its budget and its artefacts are the same for all methods.

    Attributes:
        name: its name in settings and tables.
        architecture_gradient: the gradient of an architecture step, or None if the architecture does not move.
        partner: the second model that it trains beside the supernet; by default none.
        needs_weights_before: whether, with these settings, its gradient needs the supernet's weights before its last
            step; a copy is as large as the supernet.
    """

    name: str
    architecture_gradient: Callable[[StepContext[Any]], ArchitectureGradient] | None
    partner: type[Partner] = Partner
    needs_weights_before: Callable[[Any], bool] = lambda search: False
