"""How far a search has decided: the probabilities of its last architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lbt.config import SpaceSettings
from lbt.files import read_json
from lbt.space.architecture import OPERATORS, architecture_from_json, entropies, probabilities
from lbt.views.results import CONTROLS, identify

UNDECIDED = 0.99
"""Mean entropy above which small differences decide the derived network.

At this entropy the most probable of five operators with normally distributed logits has 0.25 instead of 0.20. A search
starts at 0.9999998.
"""
UNIFORM = 1 / len(OPERATORS)
"""Probability of an operator if all are equally probable."""


@dataclass(frozen=True)
class Choices:
    """How strongly the architecture after the last round prefers its choices.

    Attributes:
        operator: largest probability of an operator, averaged over the cells of the supernet.
        entropy: mean of the relative entropies of alpha, beta and gamma, as in `metrics.csv`; a space with a single
            width has no entropy of gamma.
    """

    operator: float
    entropy: float


def read_choices(files: Sequence[Path], space: SpaceSettings) -> dict[tuple[str, int], Choices]:
    """Read the choices by method and seed from `.../<method>/seed-<seed>/round-<round>/`; controls have none.

    Raises:
        LbtError: a file cannot be read or is not an architecture of this space.
    """
    found = {}
    for file in files:
        method, seed = identify(file.parent)
        if method in CONTROLS:
            continue
        logits = architecture_from_json(read_json(file), space, str(file))
        alpha = [rows for name, rows in probabilities(logits).items() if name.startswith("alpha")]
        among = entropies(logits)
        if len(space.width_twelfths) == 1:
            del among["gamma"]
        found[method, seed] = Choices(float(torch.cat(alpha).amax(-1).mean()), sum(among.values()) / len(among))
    return found


def warn_of_undecided(choices: Mapping[tuple[str, int], Choices]) -> str | None:
    """The searches that hardly left their start, in words; None if all did leave it."""
    methods = list(dict.fromkeys(method for (method, _), found in choices.items() if found.entropy > UNDECIDED))
    if not methods:
        return None
    return (
        f"The search of {', '.join(methods)} hardly left its start: the mean entropy of its choices is above "
        f"{UNDECIDED:g} (1: all choices are equally probable). Small differences decided its networks, which are close "
        "to random ones. To move it further, search longer (search.rounds, search.epochs) or raise "
        "search.architecture.lr."
    )
