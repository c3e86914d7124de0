"""Texts of all figures in both formats: inside the canvas and apart from each other for all kinds of values."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from quick import quick_first
from saved_texts import check_layout

from lbt.config import SpaceSettings
from lbt.network.random_genotype import random_genotype
from lbt.space.architecture import architecture_to_json, initial_architecture
from lbt.views.figures.architecture import draw_architecture
from lbt.views.figures.confusion import draw_confusion
from lbt.views.figures.curves import draw_curves
from lbt.views.figures.derived import draw_network
from lbt.views.figures.panels import ARCHITECTURE, GRADIENTS, LOSSES, RETRAINING, WARMUP
from lbt.views.figures.tradeoff import draw_tradeoff

FIGURES = {"losses": (LOSSES, 3), "architecture": (ARCHITECTURE, 3), "gradients": (GRADIENTS, 3), "warmup": (WARMUP, 2)}
METHODS = ("fasterseg", "lbt", "lpt", "random")
VALUES = {
    "flat": lambda panel, i: np.full(len(i), min(16.024, panel.bounds[1])),
    "nearly flat": lambda panel, i: min(16.024, panel.bounds[1]) - 1e-9 * i,
    "small": lambda panel, i: 1e-9 * (1 + i / len(i)),
    "huge": lambda panel, i: 1e12 * (1 + i / len(i)),
    "decades": lambda panel, i: 10.0 ** (20 * i / len(i) - 10),
    "one decade": lambda panel, i: 10.0 ** (1.3 * i / len(i) - 2),
    "a blank row": lambda panel, i: np.where(i == 1, np.nan, 3 + np.sin(i)),
    "not finite": lambda panel, i: np.where(i % 3 == 1, np.inf, 3 + np.sin(i)),
    "nothing": lambda panel, i: np.zeros(len(i)),
}


def searches(values, panels, rounds=3, methods=METHODS, steps=4) -> pd.DataFrame:
    place = (np.arange(rounds * steps) + 1) / steps
    columns = {panel.column: VALUES[values](panel, np.arange(rounds * steps)) for panel in panels}
    one = pd.DataFrame({"place": place, "part": np.ceil(place).astype(int), "seed": 0, **columns})
    return pd.concat([one.assign(method=method) for method in methods], ignore_index=True)


def with_each_figure(cases) -> list:
    """All pairs of a figure and a case, of which the quick run has each case once."""
    once = list(zip(itertools.cycle(FIGURES), cases, strict=False))
    rest = [pair for pair in itertools.product(FIGURES, cases) if pair not in once]
    return quick_first(len(once), [*once, *rest])


@pytest.mark.parametrize(("figure", "values"), with_each_figure(VALUES))
def test_texts_of_curves_have_their_place(figure, values, tmp_path):
    panels, columns = FIGURES[figure]
    texts = check_layout(lambda: draw_curves(searches(values, panels), panels, columns), tmp_path)
    assert {panel.title for panel in panels} <= set(texts)


@pytest.mark.parametrize(
    ("figure", "search"), with_each_figure([(40, METHODS), (1, METHODS), (2, ("lbt",)), (1, ("random",))])
)
def test_texts_have_their_place_in_short_and_long_searches(figure, search, tmp_path):
    panels, columns = FIGURES[figure]
    steps = searches("a blank row", panels, *search)
    check_layout(lambda: draw_curves(steps, panels, columns), tmp_path)


def test_texts_of_a_retraining_have_their_place(tmp_path):
    steps = searches("decades", RETRAINING, rounds=20)
    steps["place"] *= 10_000
    check_layout(lambda: draw_curves(steps, RETRAINING, 3, along="step"), tmp_path)


def test_texts_of_the_tradeoff_have_their_place(networks, constant, tmp_path):
    check_layout(lambda: draw_tradeoff(networks, constant), tmp_path)


@pytest.mark.parametrize("layers", quick_first(1, [4, 8, 16]))
def test_texts_of_a_network_have_their_place(layers, tmp_path):
    space = SpaceSettings(layers=layers)
    generator = torch.Generator().manual_seed(0)
    rounds = [architecture_to_json(initial_architecture(space, generator)) for _ in range(3)]
    check_layout(lambda: draw_architecture(rounds, space, "fasterseg, seed 0"), tmp_path)
    genotype = random_genotype(space, generator)
    check_layout(lambda: draw_network(genotype, space, "Derived network: fasterseg, seed 0"), tmp_path)


@pytest.mark.parametrize("classes", quick_first(1, [3, 19]))
def test_texts_of_a_confusion_matrix_have_their_place(classes, tmp_path):
    names = ["traffic sign", "road", "a", *(f"class {i}" for i in range(classes))][:classes]
    counts = np.full((classes, classes), 5)
    check_layout(lambda: draw_confusion(counts, names, "Retrained network: fasterseg, seed 0"), tmp_path)
