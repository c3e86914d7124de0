"""Paired comparisons over seeds: intervals of Student's t, its test, and Wilcoxon's signed-rank test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import NamedTuple

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
    half = student_t_quantile(LEVEL, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return MeanInterval(len(values), mean(values), mean(values) - half, mean(values) + half)


def differences(values: Mapping[int, float], base: Mapping[int, float]) -> list[float]:
    """values - base, by seed, over the seeds that both have."""
    return [values[seed] - base[seed] for seed in sorted(values) if seed in base]


def t_test(pairs: Sequence[float]) -> float:
    """Two-sided probability of the paired differences if their expectation is 0; NaN if all are equal."""
    error = stdev(pairs) / math.sqrt(len(pairs))
    return student_t_two_sided(mean(pairs) / error, len(pairs) - 1) if error else math.nan


def student_t_two_sided(t: float, freedom: int) -> float:
    """Two-sided probability of Student's t, by Simpson's rule in the angle: t = sqrt(freedom) tan(angle)."""
    end, steps = math.atan(abs(t) / math.sqrt(freedom)), 2000
    heights = [math.cos(end * i / steps) ** (freedom - 1) for i in range(steps + 1)]
    inside = (heights[0] + heights[-1] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2])) * end / (3 * steps)
    scale = math.gamma((freedom + 1) / 2) / (math.gamma(freedom / 2) * math.sqrt(math.pi))
    return 1 - 2 * scale * inside


def student_t_quantile(level: float, freedom: int) -> float:
    """The t with the two-sided probability 1 - level, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_t_two_sided(middle, freedom) > 1 - level else (low, middle)
    return (low + high) / 2


def wilcoxon_two_sided(differences: Sequence[float]) -> float:
    """Exact two-sided probability of Wilcoxon's signed-rank sum; zeros are left out, ties get their mean rank."""
    values = sorted((d for d in differences if d), key=abs)
    sizes = [abs(value) for value in values]
    ranks = [(sizes.index(s) + 1 + len(sizes) - sizes[::-1].index(s)) / 2 for s in sizes]
    counts = {0.0: 1}
    for rank in ranks:  # the number of signs with each sum of the positive ranks
        for total, count in list(counts.items()):
            counts[total + rank] = counts.get(total + rank, 0) + count
    half = sum(ranks) / 2
    seen = abs(sum(rank for rank, value in zip(ranks, values, strict=True) if value > 0) - half)
    return sum(count for total, count in counts.items() if abs(total - half) >= seen - 1e-9) / 2 ** len(ranks)
