"""Kendall's tau-b, and its interval over the networks."""

from __future__ import annotations

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
_BLOCK = 4_000_000
"""Pairs of networks in memory at once."""


def kendall_tau_b(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Kendall's tau-b, which corrects for ties.

    (concordant - discordant pairs) / sqrt(pairs untied in x * pairs untied in y); Kendall, Biometrika 1945.

    Args:
        x, y: (..., n).

    Returns:
        (...) in [-1, 1]; NaN where all values of x or of y are equal.
    """
    sx, sy = (np.sign(v[..., :, None] - v[..., None, :]) for v in (x, y))
    products, squares = (sx * sy).sum((-1, -2)), (sx**2).sum((-1, -2)) * (sy**2).sum((-1, -2))
    with np.errstate(invalid="ignore"):
        return products / np.sqrt(squares)


def bootstrap_interval(x: np.ndarray, y: np.ndarray, seed: int, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Percentile interval of tau-b at `LEVEL`: networks are drawn with replacement.

    Resamples in which all values are equal have no tau and do not count.

    Args:
        x: (n,), or (k, n) for the mean tau of k rankings of the same networks.
        y: (n,).
        seed: of the draws.
        resamples: number of draws.
    """
    draws, means, size = np.random.default_rng(seed), [], max(1, _BLOCK // (x.size * len(y)))
    for start in range(0, resamples, size):
        chosen = draws.integers(len(y), size=(min(size, resamples - start), len(y)))
        means.append(kendall_tau_b(x[..., chosen], y[chosen]).reshape(-1, len(chosen)).mean(0))
    low, high = np.nanpercentile(np.concatenate(means), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)
