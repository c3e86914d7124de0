"""Statistics of the searches that a table scores, against published tables and brute force."""

import math
from itertools import product

import numpy as np
import pytest
from table_searches import (
    CONFIGS,
    RATIOS,
    RUNS,
    compare,
    student_t_quantile,
    student_t_two_sided,
    wilcoxon_two_sided,
)

from lbt.config.read import read_configuration


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
    rows = [{"variant": "fasterseg", "seed": s, "v": float(s)} for s in range(4)]
    rows += [{"variant": "lbt-best", "seed": s, "v": s + d} for s, d in ((1, 1.0), (2, 2.0), (3, 3.0), (7, 90.0))]
    base, lbt = compare(rows, "v")
    assert base == {"variant": "fasterseg", "seeds": 4, "mean": 1.5}
    half = 4.3027 / math.sqrt(3)  # of three differences with the standard deviation 1
    assert (lbt["pairs"], lbt["difference"]) == (3, 2.0) and lbt["seeds"] == 4
    assert (lbt["low"], lbt["high"]) == pytest.approx((2 - half, 2 + half), abs=1e-3)
    assert lbt["p_t"] == pytest.approx(student_t_two_sided(2 * math.sqrt(3), 2))


@pytest.mark.parametrize("run", [*RUNS, *RATIOS], ids=lambda run: run.name)
def test_every_run_has_valid_settings(run) -> None:
    words = run.command(2, 1)
    given = words[words.index("--config") + 1 : words.index("--")]
    settings = read_configuration(CONFIGS, given).settings
    assert settings.run == run.name and settings.seeds == (0, 1) and settings.methods == tuple(run.variants)
    assert settings.tabular is None and settings.search.latency_weight == 0 and settings.space.operators[0] == "conv"
    assert settings.search.rounds == 5 and settings.search.student.batch_size == 8
    for key, value in run.search.items():
        found = settings.search.pseudo_labels.ratio if key == "pseudo_labels" else getattr(settings.search, key)
        assert found == (value["ratio"] if key == "pseudo_labels" else value)
