"""Paired comparisons over seeds: intervals of Student's t, its test, and Wilcoxon's signed-rank test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple

from scipy import stats

LEVEL = 0.95


class MeanInterval(NamedTuple):
    """A mean over `count` seeds and its interval at `LEVEL`; the limits are NaN of fewer than two seeds."""

    count: int
    mean: float
    low: float
    high: float


def estimate_mean(values: Sequence[float]) -> MeanInterval:
    """The mean with the interval of Student's t; all NaN without a value."""
    if len(values) < 2:
        return MeanInterval(len(values), values[0] if values else math.nan, math.nan, math.nan)
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
    return MeanInterval(len(values), mean(values), mean(values) - half, mean(values) + half)


def differences(values: Mapping[int, float], base: Mapping[int, float]) -> list[float]:
    """values - base, by seed, over the seeds that both have."""
    return [values[seed] - base[seed] for seed in sorted(values) if seed in base]


def t_test(pairs: Sequence[float]) -> float:
    """Two-sided probability of the paired differences if their expectation is 0; NaN if all are equal."""
    return float(stats.ttest_1samp(pairs, 0).pvalue) if stdev(pairs) else math.nan


def wilcoxon_two_sided(pairs: Sequence[float]) -> float:
    """Two-sided probability of Wilcoxon's signed-rank sum, zeros left out; exact for up to 50 pairs without ties."""
    return float(stats.wilcoxon(pairs).pvalue)
