"""Inputs and results of one architecture step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.config.round import RoundSearch
from lbt.latency.table import LatencyTable
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch
from lbt.search.weight_step import WeightStep
from lbt.space.architecture import Architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import WidthPass


@dataclass(frozen=True)
class TeacherStep:
    """The teacher's last weight step T -> T'.

    Attributes:
        step: the step; the supernet's weights are T' now.
        batch: images (B, 3, H, W) and labels (B, H, W) of D_t^tr.
        passes: the widths of each pass of that step.
    """

    step: WeightStep
    batch: Batch
    passes: tuple[WidthPass, ...]


Search = TypeVar("Search", bound=RoundSearch, covariant=True)
"""The keys of `search` that the method sees."""


@dataclass(frozen=True)
class StepContext(Generic[Search]):
    """Everything that one architecture step may read.

    Attributes:
        supernet: the teacher, in train mode; an architecture step changes neither weights nor buffers.
        architecture: the logits A on the host, as leaves that require gradients.
        passes: the widths of each pass over which a term is summed. They are the same for every term of the step.
        validation: images (B, 3, H, W) and labels (B, H, W) of D_t^val.
        space, search, table: settings and latency table.
        latency_weight: weight of the expected latency, which may differ from the one in the settings.
        processes: the processes of the job, which share every batch.
        teacher_step: the teacher's last step.
        partner_step: the last step of the method's partner, such as its student; see `lbt.search.method.Partner`.
    """

    supernet: Supernet
    architecture: Architecture
    passes: tuple[WidthPass, ...]
    validation: Batch
    space: SpaceSettings
    search: Search
    table: LatencyTable
    latency_weight: float
    processes: Group
    teacher_step: TeacherStep
    partner_step: Any = ()


@dataclass(frozen=True)
class Term:
    """Value of a term of stage 3 and its gradients.

    Attributes:
        value: the term, before its weight; 0-d if it is on the device.
        gradient: in A, at fixed weights, on the host.
        weights_gradient: in the supernet's weights T', by name; empty unless it was requested.
    """

    value: Tensor | float
    gradient: Architecture
    weights_gradient: dict[str, Tensor]


@dataclass(frozen=True)
class ArchitectureGradient:
    """The gradient of an architecture step, and its record: values for `metrics.csv` by column, numbers or 0-d."""

    gradient: Architecture
    record: dict[str, Tensor | float]
