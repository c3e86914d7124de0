"""The table of candidates (CSV): each network that may be derived, its predicted speed and, once scored, its mIoU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

from lbt.config import SpaceSettings, Window
from lbt.errors import LbtError
from lbt.files import read_csv
from lbt.latency.expected import genotype_latency
from lbt.latency.table import LatencyTable
from lbt.network.candidates import Candidate

COLUMNS = (
    "index",
    "branches",
    "downs",
    "probability",
    "predicted_ms",
    "predicted_fps",
    "inside_window",
    "miou",
    "objective",
)
_RERUN = "Delete it and rerun the stage `candidates`."


def describe_candidates(
    candidates: Sequence[Candidate], space: SpaceSettings, table: LatencyTable, window: Window | None
) -> list[dict[str, Any]]:
    """One row with `COLUMNS` per candidate, in the candidates' order and without scores.

    Args:
        candidates: from `lbt.network.candidates.list_candidates`.
        space: the search space.
        table: predicts milliseconds.
        window: least and most frames per second, inclusive; if it is None, every candidate is inside.

    Raises:
        LbtError: the table lacks a part.
    """
    rows = []
    for index, candidate in enumerate(candidates):
        milliseconds = genotype_latency(candidate.genotype, space, table)
        fps = 1000 / milliseconds
        inside = window is None or window[0] <= fps <= window[1]
        network = (candidate.branch_scales, candidate.paths, candidate.probability)
        values = (index, *network, milliseconds, fps, "true" if inside else "false", "", "")
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def choose_candidate(
    path: Path, candidates: Sequence[Candidate], space: SpaceSettings, table: LatencyTable, *, inside_only: bool
) -> Candidate:
    """The candidate with the highest objective in the table at `path`; the first of equals.

    Args:
        path: the CSV file.
        candidates: the candidates of this architecture, which must be those in the file.
        space: the search space.
        table: the latency table from which the file was computed.
        inside_only: consider only candidates inside the window.

    Raises:
        LbtError: the file cannot be read, belongs to another architecture or latency table, or holds no score.
    """
    expected = describe_candidates(candidates, space, table, None)
    indices = {(row["branches"], row["downs"]): index for index, row in enumerate(expected)}

    def parse(row: Mapping[str, str]) -> tuple[int, float | None, bool]:
        index = indices.get((row["branches"], row["downs"]))
        if index is None:
            raise ValueError("lists a network that this architecture and space do not have")
        _compare(row, expected[index])
        return index, _number(row, "objective") if row["objective"] else None, row["inside_window"] == "true"

    rows = read_csv(path, COLUMNS, parse, stage="candidates")
    if sorted(index for index, _, _ in rows) != list(range(len(candidates))):
        raise LbtError(f"{path}: does not list each network of this architecture and space once. {_RERUN}")
    best, chosen = float("-inf"), None
    for index, objective, inside in rows:
        if objective is not None and objective > best and (inside or not inside_only):
            best, chosen = objective, candidates[index]
    if chosen is None:
        raise LbtError(f"{path}: scores no network that may be derived. {_RERUN}")
    return chosen


def _compare(row: Mapping[str, str], expected: Mapping[str, Any]) -> None:
    """Raise ValueError if a row does not describe the same network of the same architecture and latency table."""
    for key in ("probability", "predicted_ms"):
        # Another processor may round a softmax differently.
        if not isclose(_number(row, key), expected[key], rel_tol=1e-6):
            raise ValueError(
                f"{key} is {row[key]}, but this architecture and latency table give {expected[key]}. The file "
                "belongs to others"
            )


def _number(row: Mapping[str, str], key: str) -> float:
    try:
        return float(row[key])
    except ValueError as error:
        raise ValueError(f"{key} is {row[key]!r}, which is not a number") from error
