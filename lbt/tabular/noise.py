"""How much of the scores of a table is due to the networks, and how much is noise of their trainings."""

from __future__ import annotations

import math
from itertools import combinations
from statistics import mean

import numpy as np
import pandas as pd


def complete_scores(frame: pd.DataFrame, column: str) -> np.ndarray:
    """Scores (networks, seeds) of the networks that have a score with every seed.

    Args:
        frame: rows with `network`, `seed` and the column.
        column: the score.
    """
    return frame.pivot(index="network", columns="seed", values=column).dropna().to_numpy(float)


def deviations(scores: np.ndarray) -> tuple[float, float]:
    """Standard deviations between networks, and of one training around its network and seed.

    Analysis of variance with networks and seeds as random factors, without interaction (Searle, Casella and McCulloch,
    Variance Components, 1992, section 4.3). A negative estimate of a variance is 0.

    Args:
        scores: (networks, seeds).

    Returns:
        Both; NaN of fewer than two networks or seeds.
    """
    networks, seeds = scores.shape
    if networks < 2 or seeds < 2:
        return math.nan, math.nan
    of_networks = scores.mean(1, keepdims=True)
    rest = scores - of_networks - scores.mean(0, keepdims=True) + scores.mean()
    residual = float((rest**2).sum()) / ((networks - 1) * (seeds - 1))
    between = seeds * float(of_networks.var(ddof=1))
    return math.sqrt(max(between - residual, 0.0) / seeds), math.sqrt(residual)


def split_half_reliability(scores: np.ndarray) -> float:
    """Reliability of the mean over the seeds: the squared correlation with the mean over very many seeds.

    The networks' means over both halves of the seeds are correlated, and the correlation r corrected to all seeds by
    2 r / (1 + r) (Spearman 1910, Brown 1910). The result is the mean over all divisions into halves, which differ by
    one seed if their number is odd.

    Args:
        scores: (networks, seeds).

    Returns:
        At most 1; NaN of fewer than two seeds or three networks, or if all networks have equal means.
    """
    networks, seeds = scores.shape
    if networks < 3 or seeds < 2:
        return math.nan
    found = []
    for half in combinations(range(seeds), seeds // 2):
        others = [seed for seed in range(seeds) if seed not in half]
        first, second = (scores[:, list(chosen)].mean(1) for chosen in (half, others))
        with np.errstate(invalid="ignore", divide="ignore"):
            r = float(np.corrcoef(first, second)[0, 1])
        found.append(2 * r / (1 + r) if r != -1 else -math.inf)
    return mean(found)
