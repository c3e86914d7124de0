"""How far a search has decided: the probabilities of its last architecture against those of a random start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lbt.config import SpaceSettings
from lbt.files import read_json
from lbt.space.architecture import OPERATORS, architecture_from_json, entropies, probabilities
from lbt.views.results import CONTROLS, place

UNDECIDED = 0.99
"""Mean entropy above which a derived network hangs on small differences.

Of five operators whose logits are normally distributed, the most probable one then has 0.25 instead of 0.20; a search
starts at 0.9999998.
"""
UNIFORM = 1 / len(OPERATORS)
"""Probability of an operator where all are equally probable."""


@dataclass(frozen=True)
class Choices:
    """What the architecture after the last round prefers.

    Attributes:
        operator: largest probability of an operator, mean over the cells of the supernet.
        entropy: mean of the entropies of alpha, beta and gamma that `metrics.csv` has, as shares of the greatest
            possible one; of gamma only where there are several widths.
    """

    operator: float
    entropy: float


def read_choices(files: Sequence[Path], space: SpaceSettings) -> dict[tuple[str, int], Choices]:
    """Choices by method and seed, of files in `.../<method>/seed-<seed>/round-<round>/`; controls search nothing.

    Raises:
        LbtError: a file cannot be read or is not an architecture of this space.
    """
    found = {}
    for file in files:
        method, seed = place(file.parent)
        if method in CONTROLS:
            continue
        logits = architecture_from_json(read_json(file), space, str(file))
        alpha = [rows for name, rows in probabilities(logits).items() if name.startswith("alpha")]
        among = entropies(logits)
        if len(space.width_twelfths) == 1:
            del among["gamma"]
        found[method, seed] = Choices(float(torch.cat(alpha).amax(-1).mean()), sum(among.values()) / len(among))
    return found


def undecided_warning(choices: Mapping[tuple[str, int], Choices]) -> str | None:
    """Which searches hardly left their start, in words; None where all did."""
    methods = list(dict.fromkeys(method for (method, _), found in choices.items() if found.entropy > UNDECIDED))
    if not methods:
        return None
    return (
        f"The search of {', '.join(methods)} hardly left its start: the mean entropy of its choices is above "
        f"{UNDECIDED:g} (1: all choices are equally probable). Small differences decided its networks, which are close "
        "to random ones. A longer search (search.rounds, search.epochs) or a greater search.architecture.lr moves it "
        "further."
    )
