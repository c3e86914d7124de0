"""Scales of curves: a least width, ends inside the bounds, and numbers that can be told apart."""

import math

import numpy as np
import pandas as pd
import pytest

from lbt.views.figures.curves import draw_curves
from lbt.views.figures.panels import ARCHITECTURE, GRADIENTS, LOSSES, RETRAINING, Panel
from lbt.views.figures.scales import MARGIN, find_limits, format_numbers
from lbt.views.figures.style import use_style

PANELS = {panel.column: panel for panel in (*ARCHITECTURE, *GRADIENTS, *LOSSES, *RETRAINING)}
FREE = Panel("x", "x", share=0.1, bounds=(-math.inf, math.inf))


def axis(column: str, values: list[float]):
    steps = pd.DataFrame({"method": "lbt", "seed": 0, "place": np.arange(len(values)) + 1, column: values})
    with use_style():
        figure = draw_curves(steps.assign(part=steps["place"]), (PANELS[column],), 1)
    return figure.axes[0].get_ylim()


@pytest.mark.parametrize(
    ("column", "values", "least"),
    [
        ("latency_ms", [16.0240, 16.0244], 0.16),
        ("entropy_alpha", [0.9999991, 0.9999997], 0.01),
        ("entropy_beta", [1e-9, 0.0], 0.01),
        ("supernet_miou", [15.9, 15.6], 5.0),
        ("teacher_loss", [4.0, 4.0001], 0.4),
        ("latency_gradient_norm", [0.3995, 0.3998], 0.039),
        ("teacher_student_cosine", [1e-6, -1e-6], 0.2),
    ],
)
def test_small_changes_do_not_fill_an_axis(column, values, least):
    low, high = axis(column, values)
    assert high - low >= least
    assert low < min(values) and max(values) < high


def test_large_changes_fill_the_axis():
    assert axis("entropy_alpha", [1.0, 0.2]) == pytest.approx((0.2 - MARGIN * 0.8, 1 + MARGIN * 0.8))


def test_an_axis_ends_at_its_bounds():
    assert find_limits(1.0, 1.0, PANELS["entropy_alpha"]) == pytest.approx((0.99 - MARGIN * 0.01, 1 + MARGIN * 0.01))
    assert find_limits(0.0, 0.0, PANELS["supernet_miou"]) == pytest.approx((-MARGIN * 5, 5 + MARGIN * 5))


@pytest.mark.parametrize("value", [0.0, 1e-9, -3.0, 1e12, 1e300])
def test_one_value_is_in_the_middle_of_its_axis(value):
    low, high = find_limits(value, value, FREE)
    assert low < value < high and (low + high) / 2 == pytest.approx(value)


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.99, 0.995, 1.0], ["0.990", "0.995", "1.000"]),
        ([15.95, 16.0], ["15.95", "16.00"]),
        ([-0.5, 0.0, 0.5], ["−0.5", "0.0", "0.5"]),
        ([0, 20000, 40000], ["0", "20000", "40000"]),
        ([0.0, 1e12, 2e12], ["0", "1e12", "2e12"]),
        ([1e9, 1.05e9], ["1.00e9", "1.05e9"]),
        ([2e-9, 4e-9], ["2e−9", "4e−9"]),
        ([0.02], ["0.02"]),
        ([], []),
    ],
)
def test_numbers_have_as_many_digits_as_they_need_to_differ(values, texts):
    assert format_numbers(values) == texts
