"""The stage that scores a network: its pictures are spread over the images."""

import csv
import math

import pytest
import torch
from random_network import write_network_of
from stage_calls import call_stage

from lbt.config import EvaluationSettings
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split
from lbt.evaluation.image_scores import count_each, find_extremes, image_mious
from lbt.evaluation.scores import count_confusion


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
        images=tmp_path / "images.csv",
        predictions=tmp_path / "predictions",
    )
    with open(tmp_path / "images.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_id"] for row in rows] == [sample.id for sample in samples]
    order = sorted(range(len(samples)), key=lambda index: float(rows[index]["miou"]))
    spread = {0, len(samples) // 2}
    for folder, shown in (("predictions", spread), ("pictures", spread | {*order[:2], *order[-2:]})):
        expected = {f"{samples[index].id.replace('/', '_')}.png" for index in shown}
        assert {path.name for path in (tmp_path / folder).iterdir()} == expected


def test_the_score_of_an_image_is_the_mean_over_the_classes_that_it_shows():
    labels = torch.tensor([[[0, 0], [1, 255]], [[2, 2], [2, 2]], [[255, 255], [255, 255]]])
    predicted = torch.tensor([[[0, 1], [1, 2]], [[2, 2], [2, 0]], [[0, 0], [0, 0]]])
    logits = torch.nn.functional.one_hot(predicted, 3).permute(0, 3, 1, 2).float()
    batches = [(logits[:2], labels[:2]), (logits[2:], labels[2:])]
    confusions = count_each(lambda images: images, batches, 3, torch.device("cpu"))
    first, second, none = image_mious(confusions)
    # image 1: class 0 has 1 of 2 pixels; class 1 has 1 of the 2 that are true or predicted; ignored pixels do not count
    assert first == pytest.approx((1 / 2 + 1 / 2) / 2) and second == pytest.approx(3 / 4) and math.isnan(none)
    whole = count_confusion(lambda images: images, batches, 3, torch.device("cpu"))
    assert torch.equal(confusions.sum(dim=0), whole)


@pytest.mark.parametrize(
    ("mious", "count", "expected"),
    [
        ([0.5, 0.1, 0.9, 0.2], 1, [1, 2]),
        ([0.5, math.nan, 0.9], 2, [0, 2]),
        ([0.3, 0.3, 0.3], 1, [0]),
        ([i / 10 for i in range(10)], 9, [0, 1, 2, 7, 8, 9]),
        ([0.1, 0.2], 0, []),
        ([], 4, []),
    ],
)
def test_the_worst_and_the_best_images(mious, count, expected):
    assert find_extremes(mious, count) == expected
