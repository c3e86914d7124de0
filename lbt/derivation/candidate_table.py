"""The table of candidates: each network that may be derived, its predicted speed and, once scored, its mIoU."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from math import isclose
from pathlib import Path
from typing import Any

from lbt.config import SpaceSettings, Window
from lbt.errors import LbtError
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
_RERUN = "Rerun the stage `candidates`."


def describe_candidates(
    candidates: Sequence[Candidate], space: SpaceSettings, table: LatencyTable, window: Window | None
) -> list[dict[str, Any]]:
    """A row of `COLUMNS` per candidate, in their order and without scores.

    Args:
        candidates: from `lbt.network.candidates.list_candidates`.
        space: the search space.
        table: predicts milliseconds.
        window: least and most frames per second, ends included; without one every candidate is inside.

    Raises:
        LbtError: the table lacks a part.
    """
    rows = []
    for index, candidate in enumerate(candidates):
        milliseconds = genotype_latency(candidate.genotype, space, table)
        fps = 1000 / milliseconds
        inside = window is None or window[0] <= fps <= window[1]
        found = (index, candidate.ends, candidate.paths, candidate.probability, milliseconds, fps)
        rows.append(dict(zip(COLUMNS, (*found, "true" if inside else "false", "", ""), strict=True)))
    return rows


def choose_candidate(
    path: Path, candidates: Sequence[Candidate], space: SpaceSettings, table: LatencyTable, *, inside_only: bool
) -> Candidate:
    """The candidate with the highest objective in the table at `path`; the first of equals.

    Args:
        path: the CSV file.
        candidates: those of the architecture at hand, which must be the ones in the file.
        space: the search space.
        table: the latency table that the file was made with.
        inside_only: look at those inside the window only.

    Raises:
        LbtError: the file cannot be read, was made from another architecture or latency table, or scores none.
    """
    expected = describe_candidates(candidates, space, table, None)
    places = {(row["branches"], row["downs"]): index for index, row in enumerate(expected)}
    rows = _read(path)
    if {(row["branches"], row["downs"]) for row in rows} != set(places) or len(rows) != len(places):
        raise LbtError(f"{path}: lists other networks than this architecture and space have. {_RERUN}")
    best, chosen = float("-inf"), None
    for line, row in enumerate(rows, start=2):
        candidate = places[row["branches"], row["downs"]]
        objective = _check(path, line, row, expected[candidate])
        if objective is not None and objective > best and (row["inside_window"] == "true" or not inside_only):
            best, chosen = objective, candidates[candidate]
    if chosen is None:
        raise LbtError(f"{path}: scores no network that may be derived. {_RERUN}")
    return chosen


def _read(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns, rows = tuple(reader.fieldnames or ()), list(reader)
    except OSError as error:
        raise LbtError(f"{path}: could not be read ({error.strerror}). {_RERUN}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise LbtError(f"{path}: is not a CSV table ({error}). Delete it. {_RERUN}") from error
    if columns != COLUMNS:
        found = ", ".join(columns) or "none"
        raise LbtError(f"{path}: has the columns {found}; needed are {', '.join(COLUMNS)}. Delete it. {_RERUN}")
    return rows


def _check(path: Path, line: int, row: Mapping[str, str], expected: Mapping[str, Any]) -> float | None:
    """The objective of a row, None if it was not scored."""
    for key in ("probability", "predicted_ms"):
        # Another processor may round a softmax otherwise.
        if not isclose(_number(path, line, row, key), expected[key], rel_tol=1e-6):
            raise LbtError(
                f"{path}, line {line}: {key} is {row[key]}, the architecture and the latency table at hand give "
                f"{expected[key]}. The file was made from others. {_RERUN}"
            )
    return _number(path, line, row, "objective") if row["objective"] else None


def _number(path: Path, line: int, row: Mapping[str, str], key: str) -> float:
    try:
        return float(row[key])
    except (TypeError, ValueError) as error:
        raise LbtError(f"{path}, line {line}: {key} is {row[key]!r}, no number. Delete it. {_RERUN}") from error
