"""What a search method is: which steps it takes beside the teacher's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lbt.search.context import ArchitectureGradient, StepContext
from lbt.search.partner import Partner


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
