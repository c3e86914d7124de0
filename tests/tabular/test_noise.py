"""Networks and noise in the scores of a table: closed forms, and scores with known variances."""

import math

import numpy as np
import pandas as pd
import pytest

from lbt.tabular.noise import complete_scores, deviations, split_half_reliability


def made(networks: int, seeds: int, sd_networks: float, sd_training: float) -> np.ndarray:
    draw = np.random.default_rng(0)
    of_seeds = 3 * draw.normal(size=(1, seeds))  # common to all networks, so no noise of their comparison
    return sd_networks * draw.normal(size=(networks, 1)) + of_seeds + sd_training * draw.normal(size=(networks, seeds))


def test_deviations_of_scores_with_known_variances() -> None:
    assert deviations(made(4000, 3, 2.0, 1.5)) == pytest.approx((2.0, 1.5), rel=0.04)
    between, training = deviations(made(4000, 3, 0.0, 1.0))
    assert between < 0.15 and training == pytest.approx(1.0, rel=0.04)


def test_deviations_of_two_by_two_scores_by_hand() -> None:
    # Interaction (a - b - c + d) / 4 in each cell: 1 degree of freedom, so the variance is 4 * 0.25.
    assert deviations(np.array([[0.0, 2.0], [4.0, 4.0]])) == pytest.approx((math.sqrt((2 * 4.5 - 1) / 2), 1.0))
    assert all(map(math.isnan, deviations(np.zeros((1, 3)))))


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_reliability_is_the_share_of_the_networks_in_the_variance_of_means(seeds: int) -> None:
    expected = 4 / (4 + 2.25 / seeds)
    # For three seeds the halves have one and two, so the correction is approximate.
    assert split_half_reliability(made(4000, seeds, 2.0, 1.5)) == pytest.approx(expected, abs=0.02)


def test_reliability_of_two_seeds_is_the_formula_of_spearman_and_brown() -> None:
    scores = made(10, 2, 1.0, 1.0)
    r = np.corrcoef(scores[:, 0], scores[:, 1])[0, 1]
    assert split_half_reliability(scores) == pytest.approx(2 * r / (1 + r))
    assert split_half_reliability(np.array([[1.0, 2.0], [2.0, 3.0], [5.0, 6.0]])) == pytest.approx(1.0)
    assert math.isnan(split_half_reliability(scores[:, :1]))
    assert math.isnan(split_half_reliability(np.ones((4, 3)))) and split_half_reliability(-np.eye(3, 2)) < 0


def test_only_networks_with_all_seeds_count() -> None:
    frame = pd.DataFrame({"network": [0, 0, 1, 2, 2], "seed": [0, 1, 0, 0, 1], "miou_all": [0.1, 0.2, 0.3, 0.4, 0.5]})
    assert complete_scores(frame, "miou_all").tolist() == [[0.1, 0.2], [0.4, 0.5]]
