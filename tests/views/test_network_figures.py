"""Heat maps, derived network, confusion matrix: the figures show the values that they were given."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import derive_genotype
from lbt.network.genotype import cell_channels
from lbt.network.random_genotype import random_genotype
from lbt.space.architecture import (
    OPERATORS,
    SCALES,
    alpha_row,
    architecture_to_json,
    beta_row,
    gamma_row,
    initial_architecture,
    probabilities,
    scales_at,
)
from lbt.views.figures.architecture import (
    CHOSEN,
    KINDS,
    draw_architecture,
    find_color_limits,
    find_first_layer,
    list_chosen,
    stack_probabilities,
)
from lbt.views.figures.confusion import ANNOTATED, draw_confusion, normalise_rows
from lbt.views.figures.derived import COLUMNS, draw_network, place_boxes
from lbt.views.figures.style import use_style

SPACE = SpaceSettings(layers=6, base_width=4)


def architectures(count: int) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [{k: 900 * v for k, v in initial_architecture(SPACE, generator).items()} for _ in range(count)]


def test_heat_maps_show_the_probabilities_of_each_round():
    rounds = architectures(3)
    with use_style():
        figure = draw_architecture([architecture_to_json(a) for a in rounds], SPACE, "lbt")
    panels = {axes.get_title().split(" (")[0]: axes for axes in figure.axes if axes.get_title()}
    assert len(panels) == 8 and "paths at 1/8" not in panels
    for key in rounds[0]:
        kind, scale = key.split(".")
        (image,) = panels[f"{KINDS[kind]} at 1/{scale}"].images
        cells = image.get_array()
        first = find_first_layer(kind, int(scale))
        assert cells.mask[:first].all() and not cells.mask[first : first + len(rounds[0][key])].any()
        expected = torch.stack([probabilities(a)[key] for a in rounds], dim=-1).flatten(1)
        np.testing.assert_allclose(cells[first : first + len(expected)], expected, rtol=1e-5)
        low, high = image.get_clim()
        assert low <= expected.min() + 1e-6 and high >= expected.max() - 1e-6


@pytest.mark.parametrize("row", [alpha_row, beta_row, gamma_row], ids=lambda f: f.__name__)
def test_row_0_is_at_the_first_layer_of_its_scale(row):
    kind = row.__name__.partition("_")[0]
    for scale in SCALES[1:] if kind == "beta" else SCALES:
        layer = find_first_layer(kind, scale)
        assert row(layer, scale) == 0 and scale in scales_at(layer)


def test_probabilities_near_uniform_look_uniform():
    nearly = np.full((6, 5, 3), 0.2) + 0.001 * np.linspace(-1, 1, 90).reshape(6, 5, 3)
    assert find_color_limits([nearly]) == pytest.approx((0.15, 0.25))
    assert find_color_limits([nearly, np.full((1, 5, 3), 0.6)]) == pytest.approx((0.15, 0.6))
    assert find_color_limits([np.array([[[0.0], [1.0]]])]) == (0, 1)
    assert find_color_limits([np.ones((4, 1, 2))]) == (0.95, 1)  # one width only


def test_heat_maps_mark_the_uniform_probability():
    generator = torch.Generator().manual_seed(0)
    with use_style():
        figure = draw_architecture([architecture_to_json(initial_architecture(SPACE, generator))], SPACE, "lbt")
    titles = [axes.get_title() for axes in figure.axes]
    assert "operators at 1/8 (uniform: 0.2)" in titles and "paths at 1/16 (uniform: 0.5)" in titles
    bars = [axes for axes in figure.axes if axes.get_ylabel() == "probability"]
    assert [axes.lines[0].get_ydata()[0] for axes in bars] == [0.2, 0.5, 0.2]
    assert figure.get_suptitle() == "lbt: probabilities after round 1"


@pytest.mark.parametrize("seed", range(3))
def test_frames_mark_what_the_derived_network_took(seed):
    """With logits of a clear winner in each row, the frames of every path are at the largest probability."""
    generator = torch.Generator().manual_seed(seed)
    logits = {key: 9 * torch.randn(value.shape, generator=generator) for key, value in architectures(1)[0].items()}
    genotype = derive_genotype(logits, SPACE, rule="consistent")
    chosen = list_chosen(genotype, SPACE)
    for key, places in chosen.items():
        kind, _, scale = key.partition(".")
        first = find_first_layer(kind, int(scale)) if key in logits and len(logits[key]) else SPACE.layers
        for layer, index in places:
            if layer < first or kind == "beta":  # a path is the best of the allowed ones
                continue
            row = logits[key][layer - first]
            if kind == "alpha" and int(row.argmax()) == OPERATORS.index("skip") and index:
                row = row[1:]  # a skip that was replaced
                index -= 1
            assert int(row.argmax()) == index
    with use_style():
        figure = draw_architecture([architecture_to_json(logits)], SPACE, "lbt", genotype)
    frames = [p for axes in figure.axes for p in axes.patches if p.get_edgecolor() == to_rgba(CHOSEN)]
    drawn = sum(
        layer >= find_first_layer(key.partition(".")[0], int(key.partition(".")[2]))
        for key, places in chosen.items()
        for layer, _ in places
        if key in logits
    )
    assert len(frames) == drawn and "red frames" in figure.get_suptitle()


def test_probabilities_do_not_overflow():
    shares = stack_probabilities([{"alpha.8": [[1e4, 0, -1e4]]}], "alpha.8")
    assert shares[0, :, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("seed", range(6))
def test_every_cell_of_the_derived_network_is_drawn_at_its_layer_and_scale(seed):
    genotype = random_genotype(SPACE, torch.Generator().manual_seed(seed))
    chains = place_boxes(genotype, SPACE)
    shared = genotype.shared_prefix()
    for branch, chain in zip(genotype.branches, chains, strict=True):
        assert [box.y for box in chain] == [cell.layer for cell in branch.cells]
        for cell, box, (_, out) in zip(branch.cells, chain, cell_channels(branch, SPACE), strict=True):
            assert min(COLUMNS, key=lambda scale: abs(COLUMNS[scale] - box.x)) == cell.scale * cell.stride
            operator, width = box.text.split("\n")
            assert operator.split()[0] == cell.operator and ("↓2" in operator) == (cell.stride == 2)
            assert width == f"{out} ({cell.width_twelfths}/12)"
    assert all(box.color == chains[0][0].color for box in chains[1][:shared])
    assert chains[0][shared].color != chains[1][shared].color
    with use_style():
        figure = draw_network(genotype, SPACE, "lbt")
    boxes = [*chains[0], *chains[1][shared:]]  # shared cells once
    heads = [f"head\n1/{branch.scale}" for branch in genotype.branches]
    expected = ["stem\n1/2, 1/4, 1/8", *(box.text for box in boxes), *heads]
    assert sorted(filter(None, (text.get_text() for text in figure.axes[0].texts))) == sorted(expected)


CONFUSION = [[60, 20, 0], [5, 10, 5], [0, 0, 0]]


def test_rows_are_shares_and_an_absent_class_has_none():
    np.testing.assert_allclose(normalise_rows(CONFUSION)[:2], [[0.75, 0.25, 0], [0.25, 0.5, 0.25]])
    assert np.isnan(normalise_rows(CONFUSION)[2]).all()
    with use_style():
        figure = draw_confusion(CONFUSION, ["road", "car", "sign"], "lbt")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["road", "car", "sign (no pixel)"]
    assert [text.get_text() for text in axes.texts] == ["75", "25", "25", "50", "25"]
    cells = axes.collections[0].get_array().reshape(3, 3)
    assert cells.mask[2].all() and cells[0, 0] == 75
    assert figure.axes[1].get_ylabel() == "share of the true class's pixels (%)"
    assert axes.collections[0].get_clim() == (0, 100)  # as the numbers


def test_many_classes_have_names_but_no_numbers():
    count = ANNOTATED + 14
    names = [f"class {i}" for i in range(count)]
    with use_style():
        figure = draw_confusion(np.eye(count, dtype=int) * 7, names, "lbt")
    assert not figure.axes[0].texts
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == names
