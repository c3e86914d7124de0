"""What an architecture step may look at, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.table import LatencyTable
from lbt.search.weight_step import WeightStep
from lbt.space.architecture import Architecture
from lbt.space.supernet import Supernet


@dataclass(frozen=True)
class TeacherStep:
    """What the teacher's last weight step T -> T' was made of.

    Attributes:
        step: the step; the supernet's weights are T' now.
        batch: images (B, 3, H, W) and labels (B, H, W) of D_t^tr.
        noise: Gumbel noise of the sampled widths.
    """

    step: WeightStep
    batch: tuple[Tensor, Tensor]
    noise: Mapping[str, Tensor]


@dataclass(frozen=True)
class StepContext:
    """All that one architecture step may look at.

    Attributes:
        supernet: the teacher, in train mode; an architecture step changes neither weights nor buffers.
        architecture: the logits A as leaves that require gradients.
        noise: Gumbel noise of this step; the same noise is used in every pass, so widths are fixed within the step.
        validation: images (B, 3, H, W) and labels (B, H, W) of D_t^val.
        space, search, table: settings and latency table.
        latency_weight: weight of the expected latency, which may differ from the one in the settings.
        teacher_step: the teacher's last step.
        partner_step: the last step of the method's partner, such as its student; None for methods without one.
    """

    supernet: Supernet
    architecture: Architecture
    noise: Mapping[str, Tensor]
    validation: tuple[Tensor, Tensor]
    space: SpaceSettings
    search: SearchSettings
    table: LatencyTable
    latency_weight: float
    teacher_step: TeacherStep | None = None
    partner_step: Any = None


@dataclass(frozen=True)
class Term:
    """Value of a term of stage 3 and its gradients.

    Attributes:
        value: the term, before its weight.
        gradient: in A, the weights held fixed.
        weights_gradient: in the supernet's weights T', by name; empty where it was not asked for.
    """

    value: float
    gradient: Architecture
    weights_gradient: dict[str, Tensor]


@dataclass(frozen=True)
class ArchitectureGradient:
    """The gradient of an architecture step, and what is recorded of it: names and numbers for `metrics.csv`."""

    gradient: Architecture
    record: dict[str, float]


def add(a: Mapping[str, Tensor], b: Mapping[str, Tensor], weight: float = 1.0) -> dict[str, Tensor]:
    """a + weight * b, name by name."""
    return dict(zip(a, torch._foreach_add(list(a.values()), [b[name] for name in a], alpha=weight), strict=True))


def add_(a: Mapping[str, Tensor], b: Mapping[str, Tensor], weight: float = 1.0) -> Mapping[str, Tensor]:
    """`add` into the tensors of a, which must share no memory."""
    torch._foreach_add_(list(a.values()), [b[name] for name in a], alpha=weight)
    return a


def scale(a: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    """factor * a, name by name."""
    return dict(zip(a, torch._foreach_mul(list(a.values()), factor), strict=True))


def dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Inner product of two gradients."""
    return float(sum((a[name].double() * b[name].double()).sum() for name in a))


def norm(a: Mapping[str, Tensor]) -> float:
    """Euclidean norm of a gradient."""
    return dot(a, a) ** 0.5


def cosine(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Cosine of the angle between two gradients; NaN where one of them is 0."""
    lengths = norm(a) * norm(b)
    return dot(a, b) / lengths if lengths > 0 else float("nan")
