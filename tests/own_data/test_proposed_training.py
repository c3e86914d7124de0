"""Crops, batches and epochs: what fits, and how many steps it is."""

import pytest

from lbt.config.read import parse_settings
from lbt.data.splits import steps_for
from lbt.own_data.budget import SCALES, choose_crop, propose_training


def roles(train, val, unlabeled):
    halves = {"teacher_train": train, "teacher_val": val, "student_train": train, "student_val": val}
    return halves | {"unlabeled": unlabeled, "evaluation": 1}


@pytest.mark.parametrize(
    ("smallest", "usual", "area", "crop"),
    [
        ((360, 480), (360, 480), 192 * 256, (192, 256)),
        ((360, 480), (360, 480), 10**9, (352, 480)),
        ((40, 480), (360, 480), 192 * 256, (32, 256)),
        ((33, 33), (33, 33), 192 * 256, (32, 32)),
        ((3000, 4000), (3000, 4000), 192 * 256, (192, 256)),
        ((4000, 100), (4000, 100), 192 * 256, (1376, 32)),
    ],
)
def test_a_crop_fits_the_smallest_image_and_the_device(smallest, usual, area, crop):
    found = choose_crop(smallest, usual, area)
    assert found == crop and all(side % 32 == 0 and side <= least for side, least in zip(found, smallest, strict=True))


@pytest.mark.parametrize("device", SCALES)
@pytest.mark.parametrize("counts", [(2, 2, 2), (3, 3, 2), (5, 4, 100), (50, 60, 30), (5000, 5000, 9)])
def test_settings_are_accepted_and_steps_stay_within_the_budget(device, counts):
    scale, count = SCALES[device], roles(*counts)
    found = propose_training(count, (360, 480), (360, 480), device)
    settings = parse_settings(found, "test")
    teacher, together = counts[0], counts[0] + counts[1]
    assert settings.warmup.batch_size <= teacher and settings.search.batch_size <= min(counts[:2])
    assert settings.search.student.batch_size <= min(counts) and settings.retrain.batch_size <= together
    for epochs, images, batch, most in (
        (settings.warmup.epochs, teacher, settings.warmup.batch_size, scale.warmup),
        (settings.search.epochs, teacher, settings.search.batch_size, scale.search),
        (settings.retrain.epochs, together, settings.retrain.batch_size, scale.retrain),
    ):
        assert 1 <= steps_for(epochs, images, batch) <= 1.06 * most  # epochs have two digits
    moves = settings.search.rounds * steps_for(settings.search.epochs, teacher, settings.search.batch_size)
    assert settings.search.architecture.lr == 0.05 or 4 <= settings.search.architecture.lr * moves <= 6


def test_many_images_take_the_whole_budget():
    for device, scale in SCALES.items():
        found = propose_training(roles(5000, 5000, 5000), (360, 480), (360, 480), device)
        steps = steps_for(found["warmup"]["epochs"], 5000, found["warmup"]["batch_size"])
        assert 0.94 * scale.warmup <= steps
