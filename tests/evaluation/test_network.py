"""The stage that scores a network: its pictures are spread over the held-out images."""

import pytest
from random_network import random_network
from stage_calls import call_stage

from lbt.config import EvaluationSettings
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split
from lbt.inference.network_file import save_network


@pytest.mark.parametrize(
    ("length", "count", "expected"), [(10, 4, [0, 2, 5, 7]), (5, 2, [0, 2]), (3, 3, [0, 1, 2]), (2, 9, [0, 1])]
)
def test_indices_are_evenly_spaced_and_at_most_all(length, count, expected):
    assert spread_indices(length, count) == expected


def test_no_index_is_chosen_of_no_items_or_for_no_picture():
    assert spread_indices(0, 4) == spread_indices(4, 0) == []


def test_the_pictures_are_spread_over_the_held_out_images(tiny, tmp_path):
    settings, classes = tiny.settings, tiny.classes
    samples = read_split(tiny.split, "evaluation")
    assert len(samples) >= 3
    save_network(
        tmp_path / "network.pt",
        random_network(1, settings.space, classes.num_classes),
        space=settings.space,
        classes=classes.names,
        colors=classes.colors,
        mean=settings.data.mean,
        std=settings.data.std,
        method="lbt",
        seed=0,
    )
    call_stage(
        "evaluate_network",
        settings.model_copy(update={"evaluation": EvaluationSettings(pictures=2)}),
        split=tiny.split,
        network=tmp_path / "network.pt",
        scores=tmp_path / "scores.json",
        pictures=tmp_path / "pictures",
        predictions=tmp_path / "predictions",
    )
    expected = {f"{samples[index].id.replace('/', '_')}.png" for index in (0, len(samples) // 2)}
    for folder in ("pictures", "predictions"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == expected
