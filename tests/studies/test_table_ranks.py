"""Kendall's tau of architectures and supernets, against counts of pairs and plain resampling."""

import re
from itertools import combinations
from statistics import mean

import numpy as np
import pytest
from made_up_searches import SPACE, architecture_of, write_table
from measured import measure_once
from rank_correlation import bootstrap_interval, kendall_tau_b
from table_ranks import interval_over_networks, tau_of_architecture, tau_of_supernet

from lbt.errors import LbtError
from lbt.tabular.table import load


def test_tau_of_architecture_and_supernet_count_pairs(tmp_path) -> None:
    table, architecture = load(write_table(tmp_path)), architecture_of(5)
    scores = table.scores("val-stretches")
    weights = {name: value.double().softmax(-1) for name, value in architecture.items()}
    rows = (("alpha.8", 0), ("alpha.8", 1), ("alpha.16", 1), ("alpha.32", 1))
    chances = []
    for text in scores.index:
        operators = [word.split(":")[0] for word in text.split(" ")]
        places = [SPACE.operators.index(operator) for operator in operators]
        chances.append(np.prod([float(weights[k][r][o]) for (k, r), o in zip(rows, places, strict=True)]))

    def tau(x, y):
        signs = [np.sign((a - b) * (c - d)) for (a, c), (b, d) in combinations(list(zip(x, y, strict=True)), 2)]
        return sum(signs) / len(signs)  # no ties

    assert tau_of_architecture(table, architecture, "val-stretches") == pytest.approx(tau(chances, scores))
    draw, names = np.random.default_rng(4), list(scores.index[:9])
    supernets = [dict(zip(names, draw.random(9), strict=True)) for _ in range(3)]
    found = [tau_of_supernet(table, one, "val-stretches") for one in supernets]
    assert found == pytest.approx([tau(list(one.values()), scores[names]) for one in supernets])
    low, high = interval_over_networks(table, supernets, "val-stretches")
    assert low < mean(found) < high


def test_the_interval_of_a_mean_tau_is_that_of_plain_resampling() -> None:
    draws = np.random.default_rng(1)
    y = draws.normal(size=12)
    x = y + draws.normal(size=(3, 12))
    means = []
    for _ in range(2000):
        chosen = draws.integers(12, size=12)
        means.append(mean(float(kendall_tau_b(row[chosen], y[chosen])) for row in x))
    assert bootstrap_interval(x, y, 0, 4000) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.04)
    same = np.stack([x[0]] * 3)
    assert bootstrap_interval(same, y, 0, 500) == pytest.approx(bootstrap_interval(x[0], y, 0, 500))


def test_a_measurement_is_made_once_and_of_one_thing(tmp_path) -> None:
    made = []

    def measure():
        made.append(1)
        return [0.1]

    for _ in range(2):
        assert measure_once(tmp_path / "a" / "b.json", {"x": 1}, measure) == [0.1]
    assert made == [1]
    with pytest.raises(LbtError, match=re.escape("b.json: was measured on other files")):
        measure_once(tmp_path / "a" / "b.json", {"x": 2}, measure)
