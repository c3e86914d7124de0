"""Scores and profile of each network, read from `.../<method>/seed-<seed>/`."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import pandas as pd
import yaml
from pydantic import ConfigDict, Field, ValidationError, model_validator

from lbt.config import SpaceSettings
from lbt.config.base import Positive, Section
from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS
from lbt.config.names import ClassName
from lbt.errors import LbtError
from lbt.files import open_regular, read_json

CONTROLS = tuple(name for name, facts in METHODS.items() if not facts.searches)
"""Methods that do not search: a searched network must beat them."""


class _Part(Section):
    """What tables and figures need of a file, which may hold more."""

    model_config = ConfigDict(extra="ignore")


class Confusion(_Part):
    """What a network takes for what, by class."""

    iou: dict[ClassName, float | None] = Field(min_length=1)
    confusion: tuple[tuple[Annotated[int, Field(ge=0)], ...], ...]

    @model_validator(mode="after")
    def _square(self) -> Self:
        if any(len(row) != len(self.iou) for row in (self.confusion, *self.confusion)):
            raise ValueError("confusion: needs a row and a column for each class")
        return self


class Scores(Confusion):
    """Scores of a network, see `lbt.evaluation.scores`."""

    miou: float


class ConstantScores(Scores):
    """Scores of the constant prediction, see `lbt.evaluation.constant`."""

    constant: str = Field(alias="class")


class Profile(_Part):
    """Latency and size of a network, see `lbt.latency.profiler`."""

    median_ms: Positive
    p95_ms: Positive
    fps: Positive
    predicted_ms: Positive | None
    parts_ms: Positive | None
    parameters: int
    macs: int


@dataclass(frozen=True)
class NetworkResult:
    """The network of one method, or a baseline, and seed.

    Attributes:
        method: name of the method or of the baseline.
        seed: its seed.
        supernet: scores of the supernet; see `lbt.evaluation.scores`. None for a baseline, which has none.
        network: scores of the retrained network.
        profile: latency, parameters and MACs; see `lbt.latency.profiler`.
        computation: what it computes, equal for networks that happen to be equal; see
            `lbt.network.genotype.list_computation`.
    """

    method: str
    seed: int
    supernet: Mapping[str, Any] | None
    network: Mapping[str, Any]
    profile: Mapping[str, Any]
    computation: Hashable


def mark_role(method: str) -> str:
    """What stands behind the name of a method for people if nobody searched its networks."""
    if method in CONTROLS:
        return " (control)"
    return " (not searched)" if method in BASELINES else ""


def identify(path: Path) -> tuple[str, int]:
    """Method and seed of a file in a folder `.../<method>/seed-<seed>/`."""
    return path.parent.parent.name, int(path.parent.name.removeprefix("seed-"))


def list_scores(run: Path) -> list[Path]:
    """The scores of the networks of a run, by method and seed.

    Networks of methods, baselines and seeds that its settings no longer name are left out, as in its tables. So are
    folders with other names, such as copies.

    Args:
        run: the folder of its results.
    """
    found = run.glob("evaluate/*/seed-*/network.json")
    scores = sorted((path for path in found if path.parent.name.removeprefix("seed-").isdecimal()), key=identify)
    settings = read_run_settings(run)
    with suppress(TypeError, KeyError):
        methods, seeds = {*settings["methods"], *settings["baselines"]}, set(settings["seeds"])
        return [path for path in scores if identify(path)[0] in methods and identify(path)[1] in seeds]
    return scores


def find_settings(run: Path) -> Path:
    """The file of the settings of a run.

    Raises:
        LbtError: there is none, so no run has started in the folder.
    """
    path = run / "settings.yaml"
    if not path.exists():
        raise LbtError(f"{path}: is missing, so no run has started in {run}. Name the folder of a run.")
    return path


def read_run_settings(run: Path) -> Any:
    """The content of the settings of a run as YAML gives it; None if they cannot be read."""
    with (
        suppress(OSError, ValueError, yaml.YAMLError),
        open(run / "settings.yaml", encoding="utf-8", opener=open_regular) as file,
    ):
        return yaml.safe_load(file.read(1_000_000))
    return None


def read_part(path: Path, model: type[_Part]) -> dict[str, Any]:
    """The content of a JSON file of results.

    Raises:
        LbtError: the file cannot be read, or lacks what `model` needs.
    """
    content = read_json(path)
    try:
        model.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise LbtError(
            f"{path}: {place}{': ' if place else ''}{first['msg'].removeprefix('Value error, ')}. Delete it and rerun "
            "the stage that makes it."
        ) from error
    return content


def read_columns(
    path: Path, columns: Sequence[str], *, may_be_blank: Sequence[str] = (), least: int = 1
) -> pd.DataFrame:
    """The rows of a CSV file of numbers, at least `least`, which has at least these columns.

    Args:
        path: the file.
        columns: columns that hold a number in each row.
        may_be_blank: further columns, which may hold blanks.

    Raises:
        LbtError: the file cannot be read, or a column is missing or holds something other than numbers and blanks.
    """
    try:
        frame = pd.read_csv(path)
        missing = [name for name in (*columns, *may_be_blank) if name not in frame]
        if missing or len(frame) < least:
            raise ValueError(f"it lacks the column {missing[0]}" if missing else "it has no rows")
        odd = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name]) and frame[name].notna().any()]
        if odd or frame[list(columns)].isna().any(axis=None):
            raise ValueError(f"the column {(odd or columns)[0]} does not hold numbers")
        return frame
    except (OSError, ValueError) as error:  # also what pandas raises for other bytes
        raise LbtError(
            f"{path}: is no table of numbers ({error}). Delete it and rerun the stage that makes it."
        ) from error


def read_results(
    supernet: Sequence[Path],
    network: Sequence[Path],
    profile: Sequence[Path],
    genotype: Sequence[Path],
    space: SpaceSettings,
) -> list[NetworkResult]:
    """Read the files of all networks. The lists have the same order; `supernet` and `genotype` lack the baselines.

    Raises:
        LbtError: a file cannot be read, or lacks a score.
    """
    from lbt.network.genotype import list_computation, read_genotype  # it imports PyTorch

    found = {identify(n): (read_part(n, Scores), read_part(p, Profile)) for n, p in zip(network, profile, strict=True)}
    derived = {
        identify(g): (read_part(s, Scores), list_computation(read_genotype(g, space), space))
        for s, g in zip(supernet, genotype, strict=True)
    }
    results = []
    for name, (scores, times) in found.items():
        # the seeds of a baseline have the same network on purpose
        searched, computation = (None, (*name, space.base_width)) if name[0] in BASELINES else derived[name]
        results.append(NetworkResult(*name, searched, scores, times, computation))
    return results


def group_by_method(networks: Sequence[NetworkResult]) -> dict[str, list[NetworkResult]]:
    """The networks of each method, in the order in which the methods first appear."""
    grouped: dict[str, list[NetworkResult]] = {}
    for network in networks:
        grouped.setdefault(network.method, []).append(network)
    return grouped
