"""Paired statistics against published tables and brute force."""

import math
from itertools import product

import numpy as np
import pytest
from paired import differences, estimate_mean, t_test, wilcoxon_two_sided


@pytest.mark.parametrize("values", [(1.0, 2.0, -3.0, 4.0, 5.5, 6.0), (-1.0, -2.0, -3.0)])
def test_signed_ranks_equal_all_signs(values) -> None:
    ranks = np.argsort(np.argsort(np.abs(values))) + 1
    sums = [ranks[np.array(signs)].sum() for signs in product((False, True), repeat=len(values))]
    seen, half = ranks[np.array(values) > 0].sum(), ranks.sum() / 2
    assert wilcoxon_two_sided(values) == pytest.approx(np.mean([abs(s - half) >= abs(seen - half) for s in sums]))


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (9, 2.2622), (19, 2.0930)]
)  # Fisher and Yates, Statistical Tables, table III
def test_interval_and_test_are_those_of_student(freedom, quantile) -> None:
    values = np.random.default_rng(freedom).normal(size=freedom + 1)
    error = values.std(ddof=1) / math.sqrt(len(values))
    found = estimate_mean(list(values))
    assert (found.high - found.low) / 2 == pytest.approx(quantile * error, rel=1e-4)
    at_the_limit = values - values.mean() + quantile * error
    assert t_test(list(at_the_limit)) == pytest.approx(0.05, abs=2e-5)


def test_only_seeds_of_both_are_compared() -> None:
    base, values = {s: float(s) for s in range(4)}, {7: 90.0, 3: 6.0, 1: 2.0, 2: 4.0}
    assert differences(values, base) == [1.0, 2.0, 3.0]


def test_one_seed_has_no_interval() -> None:
    assert estimate_mean([3.0])[:2] == (1, 3.0) and all(map(math.isnan, estimate_mean([3.0])[2:]))
    assert estimate_mean([]).count == 0 and math.isnan(estimate_mean([]).mean)
    assert math.isnan(t_test([1.0, 1.0]))
