"""Paired statistics against published tables and brute force."""

import math
from itertools import product

import numpy as np
import pytest
from paired import differences, estimate_mean, student_t_quantile, student_t_two_sided, t_test, wilcoxon_two_sided


@pytest.mark.parametrize(
    ("freedom", "expected"), [(1, 12.7062), (2, 4.3027), (9, 2.2622), (19, 2.0930), (60, 2.0003)]
)  # Fisher and Yates, Statistical Tables, table III
def test_quantiles_of_student(freedom, expected) -> None:
    assert student_t_quantile(0.95, freedom) == pytest.approx(expected, abs=2e-4)
    assert student_t_two_sided(expected, freedom) == pytest.approx(0.05, abs=2e-5)


@pytest.mark.parametrize("values", [(1.0, 2.0, -3.0, 4.0, 5.5, 6.0), (1.0, 1.0, -2.0, 3.0, 0.0), (-1.0, -2.0, -3.0)])
def test_signed_ranks_equal_all_signs(values) -> None:
    kept = np.array([v for v in values if v])
    ranks = np.array([np.mean([i + 1 for i, s in enumerate(sorted(abs(kept))) if s == abs(v)]) for v in kept])
    sums = [ranks[np.array(signs)].sum() for signs in product((False, True), repeat=len(kept))]
    seen, half = ranks[kept > 0].sum(), ranks.sum() / 2
    expected = np.mean([abs(s - half) >= abs(seen - half) - 1e-9 for s in sums])
    assert wilcoxon_two_sided(values) == pytest.approx(expected)


def test_only_seeds_of_both_are_compared() -> None:
    base, values = {s: float(s) for s in range(4)}, {7: 90.0, 3: 6.0, 1: 2.0, 2: 4.0}
    pairs = differences(values, base)
    assert pairs == [1.0, 2.0, 3.0]
    half = 4.3027 / math.sqrt(3)  # of three differences with the standard deviation 1
    assert estimate_mean(pairs) == pytest.approx((3, 2, 2 - half, 2 + half), abs=1e-3)
    assert t_test(pairs) == pytest.approx(student_t_two_sided(2 * math.sqrt(3), 2))


def test_one_seed_has_no_interval() -> None:
    assert estimate_mean([3.0])[:2] == (1, 3.0) and all(map(math.isnan, estimate_mean([3.0])[2:]))
    assert estimate_mean([]).count == 0 and math.isnan(estimate_mean([]).mean)
    assert math.isnan(t_test([1.0, 1.0]))
