"""The stage that scores a network: its pictures are spread over the images."""

import pytest
from random_network import write_network_of
from stage_calls import call_stage

from lbt.config import EvaluationSettings
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split


@pytest.mark.parametrize(
    ("length", "count", "expected"), [(10, 4, [0, 2, 5, 7]), (5, 2, [0, 2]), (3, 3, [0, 1, 2]), (2, 9, [0, 1])]
)
def test_indices_are_evenly_spaced_and_at_most_all(length, count, expected):
    assert spread_indices(length, count) == expected


def test_no_index_is_chosen_of_no_items_or_for_no_picture():
    assert spread_indices(0, 4) == spread_indices(4, 0) == []


def test_the_pictures_are_spread_over_the_images(tiny, tmp_path):
    """The training images are scored here, because the run has too few held-out ones."""
    settings, split = tiny.settings, tmp_path / "split.csv"
    split.write_text(
        tiny.split.read_text().replace(",evaluation\n", ",student_val\n").replace(",teacher_train\n", ",evaluation\n")
    )
    samples = read_split(split, "evaluation")
    assert len(samples) >= 4
    write_network_of(tmp_path / "network.pt", settings)
    call_stage(
        "evaluate_network",
        settings.model_copy(update={"evaluation": EvaluationSettings(pictures=2)}),
        split=split,
        network=tmp_path / "network.pt",
        scores=tmp_path / "scores.json",
        pictures=tmp_path / "pictures",
        predictions=tmp_path / "predictions",
    )
    expected = {f"{samples[index].id.replace('/', '_')}.png" for index in (0, len(samples) // 2)}
    for folder in ("pictures", "predictions"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == expected
