"""A table of trained networks: scores of architectures without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pydantic import ValidationError
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.files import read_json
from lbt.network.enumeration import count_genotypes, genotype_text, list_genotypes
from lbt.network.genotype import Genotype
from lbt.space.architecture import Architecture
from lbt.tabular.noise import complete_scores, split_half_reliability
from lbt.tabular.probabilities import GenotypeProbabilities

NAMES = ("network", "genotype", "seed")
PREFIX = "miou_"


@dataclass(frozen=True)
class Table:
    """Scores of the networks of a space.

    Attributes:
        frame: a row per network and seed; see `lbt.tabular.scores.run` and `lbt.tabular.latency.run`.
        space: the search space.
    """

    frame: pd.DataFrame
    space: SpaceSettings

    @property
    def parts(self) -> list[str]:
        """Parts of the held-out images that have a score: folders, and `all`."""
        return [name.removeprefix(PREFIX) for name in self.frame.columns if name.startswith(PREFIX)]

    @cached_property
    def genotypes(self) -> list[Genotype]:
        """The networks of the table, in its random order."""
        by_text = {genotype_text(genotype): genotype for genotype in list_genotypes(self.space)}
        return [by_text[text] for text in self.frame.sort_values("network")["genotype"].unique()]

    @cached_property
    def _probabilities(self) -> GenotypeProbabilities:
        count = count_genotypes(self.space)
        if len(self.genotypes) != count:
            raise LbtError(
                f"The table holds {len(self.genotypes)} of the space's {count} networks, so V(A) is unknown. Train the "
                "others: remove tabular.networks from the settings."
            )
        return GenotypeProbabilities(self.genotypes, self.space)

    def scores(self, part: str = "all") -> pd.Series:
        """Mean IoU of each network on a part of the held-out images, the mean over its seeds, by genotype.

        Raises:
            LbtError: the table has no such part.
        """
        if part not in self.parts:
            raise LbtError(f"The table has no scores on {part!r}; choose from {', '.join(self.parts)}.")
        return self.frame.sort_values("network").groupby("genotype", sort=False)[PREFIX + part].mean()

    def value(self, architecture: Mapping[str, Tensor], part: str = "all") -> Tensor:
        """V(A): the mean score of a network that is drawn with the probabilities of A, 0-d float64.

        It is differentiable in the logits.

        Raises:
            LbtError: the table lacks networks of its space, or has no such part, or A is of another space.
        """
        scores = torch.from_numpy(self.scores(part).to_numpy(float, copy=True))
        return self._probabilities.log(architecture).exp() @ scores

    def gradient(self, architecture: Mapping[str, Tensor], part: str = "all") -> Architecture:
        """dV/dA, with the shapes of A, float64. See `value`."""
        leaves = {key: logits.detach().double().requires_grad_() for key, logits in architecture.items()}
        found = torch.autograd.grad(self.value(leaves, part), list(leaves.values()))
        return dict(zip(leaves, found, strict=True))

    def percentile(self, genotype: Genotype, part: str = "all") -> float:
        """Percentage of the other networks with a lower score, those with an equal one as halves: 100 for the best.

        Raises:
            LbtError: the table has no such network or part, or no other network.
        """
        scores, text = self.scores(part), genotype_text(genotype)
        if text not in scores.index or len(scores) < 2:
            raise LbtError(f"The table has {len(scores)} networks; {text} cannot be compared with them.")
        others, own = scores.drop(text).to_numpy(), scores[text]
        return float(100 * np.mean((others < own) + 0.5 * (others == own)))

    def reliability(self, part: str = "all") -> float:
        """Split-half reliability of `scores`, from the networks that have all seeds; see `split_half_reliability`."""
        self.scores(part)
        return split_half_reliability(complete_scores(self.frame, PREFIX + part))


def load(path: Path | str) -> Table:
    """Read a table, such as `results/published/lbt-bench/pilot/table.csv`, and `table.json` beside it.

    Raises:
        LbtError: a file is missing or damaged, lacks a column, holds a network that is not of the space, a score
            outside [0, 1] or a network and seed twice. The message names the file and the place.
    """
    path = Path(path)
    space = _read_space(path.with_suffix(".json"))
    try:
        frame = pd.read_csv(path, dtype={"genotype": str})
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing. Name the table that `snakemake tabular` makes.") from error
    except (OSError, ValueError) as error:
        raise LbtError(f"{path}: is not a table ({str(error).splitlines()[0]}). Make it again.") from error
    _check(frame, space, path)
    return Table(frame, space)


def _read_space(path: Path) -> SpaceSettings:
    facts: Any = read_json(path)
    try:
        return SpaceSettings.model_validate(_tuples(facts["space"]))
    except (KeyError, TypeError, ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise LbtError(f"{path}: holds no search space under `space` ({reason}). Make the table again.") from error


def _tuples(section: Any) -> Any:
    """A section from JSON, whose lists are tuples in the settings."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in section.items()}


def _check(frame: pd.DataFrame, space: SpaceSettings, path: Path) -> None:
    scores = [name for name in frame.columns if name.startswith(PREFIX)]
    missing = [name for name in NAMES if name not in frame.columns] or ([] if scores else [f"{PREFIX}all"])
    if missing:
        raise LbtError(f"{path}: lacks the column {missing[0]}. Make it again.")
    for name in ("network", "seed"):
        if not pd.api.types.is_integer_dtype(frame[name]):
            raise LbtError(f"{path}: {name}: holds other values than whole numbers. Make it again.")
    known = {genotype_text(genotype) for genotype in list_genotypes(space)}
    checks = [
        ("genotype", ~frame["genotype"].isin(known), "is no network of the space"),
        ("seed", frame.duplicated(["genotype", "seed"]), "is listed twice for its network"),
        ("network", frame.groupby("genotype")["network"].transform("nunique") != 1, "is not the same in all rows"),
        ("network", frame.groupby("network")["genotype"].transform("nunique") != 1, "is the number of two networks"),
    ]
    for name in scores:
        values = pd.to_numeric(frame[name], errors="coerce")
        checks.append((name, ~values.between(0, 1), "is not a score from 0 to 1"))
    for name, wrong, what in checks:
        if wrong.any():
            line = int(np.flatnonzero(wrong.to_numpy())[0])
            raise LbtError(f"{path}:{line + 2}: {name}: {frame[name].iloc[line]} {what}. Make the table again.")
