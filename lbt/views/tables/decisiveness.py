"""How far a search has decided: the probabilities of its last architecture, and how far noise would have moved it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch

from lbt.config import ArchitectureSettings, SpaceSettings
from lbt.files import read_json
from lbt.runtime.seeding import generator
from lbt.space.architecture import (
    Architecture,
    architecture_from_json,
    entropies,
    first_architecture,
    probabilities,
)
from lbt.views.noise_walk import KINDS, distances, walk
from lbt.views.results import CONTROLS, identify, read_columns

UNDECIDED = math.sqrt(2)
"""Ratio below which noise explains more than half of the squared distance that a search has moved."""
_NORM, _SKIPPED = "architecture_gradient_norm", "skipped_architecture"


@dataclass(frozen=True)
class Movement:
    """How far alpha, beta or gamma moved from the start of the search, and how far noise moves it.

    Attributes:
        entropy: relative entropy at the end, as in `metrics.csv`.
        distance: from the start, as `lbt.views.noise_walk.distances` measures it.
        noise_entropy, noise_distance: the same after as many steps on noise; see `lbt.views.noise_walk`.
    """

    entropy: float
    distance: float
    noise_entropy: float
    noise_distance: float

    @property
    def ratio(self) -> float:
        """How many times as far as noise; 1 for a search without a signal, NaN if noise stands still."""
        return self.distance / self.noise_distance if self.noise_distance else math.nan


@dataclass(frozen=True)
class Choices:
    """How strongly the architecture after the last round prefers its choices.

    Attributes:
        operator: largest probability of an operator, averaged over the cells of the supernet.
        movements: of alpha, beta and gamma by name; a space with a single width has none of gamma.
    """

    operator: float
    movements: Mapping[str, Movement]

    @property
    def entropy(self) -> float:
        """Mean of the entropies of `movements`."""
        return mean(movement.entropy for movement in self.movements.values())


Found = Mapping[tuple[str, int], Choices]
"""Choices of each searched network, by method and seed."""


def read_choices(
    architectures: Sequence[Path], steps: Sequence[Path], space: SpaceSettings, settings: ArchitectureSettings
) -> dict[tuple[str, int], Choices]:
    """Read the choices by method and seed from `.../<method>/seed-<seed>/round-<round>/`; controls have none.

    Args:
        architectures: `architecture.json` of the last round of each method and seed.
        steps: `metrics.csv` of all their rounds.
        space: the search space.
        settings: the optimiser of the search.

    Raises:
        LbtError: a file cannot be read, or is not an architecture of this space.
    """
    found = {}
    for file in architectures:
        method, seed = identify(file.parent)
        if method in CONTROLS:
            continue
        logits = architecture_from_json(read_json(file), space, str(file))
        rounds = [path for path in steps if path.parent.parent == file.parent.parent]
        lengths = [length for path in rounds for length in read_lengths(path)]
        alpha = [rows for name, rows in probabilities(logits).items() if name.startswith("alpha")]
        operator = float(torch.cat(alpha).amax(-1).mean())
        found[method, seed] = Choices(operator, _measure_movements(logits, lengths, space, settings, seed))
    return found


def read_lengths(path: Path) -> list[float]:
    """The norm of the architecture's gradient at each step of a round, before clipping, without skipped steps.

    Raises:
        LbtError: the file cannot be read, or lacks a column.
    """
    frame = read_columns(path, (_SKIPPED,), may_be_blank=(_NORM,))
    moved = frame[_NORM].notna() & (frame[_SKIPPED].diff().fillna(frame[_SKIPPED]) == 0)
    return frame.loc[moved, _NORM].tolist()


def warn_of_undecided(choices: Found) -> str | None:
    """The searches that hardly left their start, in words; None if all did leave it."""
    said = []
    for method in dict.fromkeys(method for method, _ in choices):
        ratios = mean_ratios([found for (name, _), found in choices.items() if name == method])
        low = [f"{kind} {ratio:.2f}" for kind, ratio in ratios.items() if ratio < UNDECIDED]
        said += [f"{method} ({', '.join(low)})"] if low else []
    if not said:
        return None
    return (
        f"A search hardly left its start: {'; '.join(said)}. The numbers say how many times as far as noise the logits "
        f"moved. Below {UNDECIDED:.2f}, noise explains most of the distance: these choices of the networks (alpha: "
        "operators, beta: paths, gamma: widths) are close to random ones. To move further than noise, search longer "
        "(search.rounds, search.epochs) or on larger batches (search.batch_size). A higher search.architecture.lr "
        "moves noise as much further."
    )


def mean_ratios(choices: Sequence[Choices]) -> dict[str, float]:
    """The mean of `Movement.ratio` over several seeds, by kind; no value if a seed has none."""
    ratios = {kind: [c.movements[kind].ratio for c in choices if kind in c.movements] for kind in KINDS}
    means = {kind: mean(values) for kind, values in ratios.items() if values}
    return {kind: value for kind, value in means.items() if not math.isnan(value)}


def _measure_movements(
    logits: Architecture, lengths: Sequence[float], space: SpaceSettings, settings: ArchitectureSettings, seed: int
) -> dict[str, Movement]:
    start = first_architecture(space, seed)
    noise = walk(start, lengths, settings, generator(seed, "noise walk"))
    entropy, noise_entropy = entropies(logits), entropies(noise)
    distance, noise_distance = distances(start, logits), distances(start, noise)
    kinds = [kind for kind in KINDS if kind != "gamma" or len(space.width_twelfths) > 1]
    return {k: Movement(entropy[k], distance[k], noise_entropy[k], noise_distance[k]) for k in kinds}
