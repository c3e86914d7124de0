"""The steps of all searches of a run as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lbt.views.results import read_columns

POINTS = 150
"""Most points of a curve."""


def read_steps(files: Sequence[Path]) -> pd.DataFrame:
    """Read all rows of `.../<method>/seed-<seed>/round-<round>/metrics.csv` and add five columns.

    The columns are `method` and `seed`; `place`, the number of rounds that have passed, with fractions; `part`, the
    round; and `skipped`, the skipped updates of all optimisers since the beginning of the search.
    """
    frames = []
    for file in files:
        folder = file.parent.parent
        frame = read_columns(file, ("round",))
        frame["method"], frame["seed"] = folder.parent.name, int(folder.name.removeprefix("seed-"))
        frame["place"] = frame["round"] - 1 + (np.arange(len(frame)) + 1) / len(frame)
        counts = [name for name in frame.columns if name.startswith("skipped_")]
        frame["skipped"] = frame[counts].fillna(0).sum(axis=1)  # since the beginning of the round
        frames.append(frame)
    steps = pd.concat(frames, ignore_index=True).sort_values(["method", "seed", "place"], kind="stable")
    ends = steps.groupby(["method", "seed", "round"])["skipped"].last()
    before = ends.groupby(["method", "seed"]).cumsum() - ends
    keys = pd.MultiIndex.from_frame(steps[["method", "seed", "round"]])
    steps["part"] = steps["round"]
    steps["skipped"] += before.reindex(keys).to_numpy()
    return steps.reset_index(drop=True)


def average_by_step(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """`column` at each `place`; of more than `POINTS` places, the means of equal bins. See `average_by_part`."""
    wide = steps.pivot_table(index="place", columns="seed", values=column, aggfunc="mean", dropna=False)
    bins = np.arange(len(wide)) * min(POINTS, len(wide)) // max(1, len(wide))
    places = pd.Series(wide.index.to_numpy()).groupby(bins).last()
    return _spread(wide.groupby(bins).mean(), places)


def average_by_part(steps: pd.DataFrame, column: str) -> pd.DataFrame:
    """The mean of `column` in each `part`, at the place where the part ends.

    Args:
        steps: rows of one method, with `seed`, `place` and `part`.
        column: the column to average; missing values do not count, and a part without a value has no row.

    Returns:
        Columns `place`, and over the seeds `mean`, `low` (least) and `high` (greatest).
    """
    present = steps[steps[column].notna()]
    wide = present.pivot_table(index="part", columns="seed", values=column, aggfunc="mean")
    return _spread(wide, steps.groupby("part")["place"].max().reindex(wide.index))


def _spread(wide: pd.DataFrame, places: pd.Series) -> pd.DataFrame:
    return pd.DataFrame(
        {"place": places, "mean": wide.mean(axis=1), "low": wide.min(axis=1), "high": wide.max(axis=1)}
    ).reset_index(drop=True)
