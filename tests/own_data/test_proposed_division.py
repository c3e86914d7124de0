"""Divisions that fill every part, keep frames together and train every class."""

import pytest
from pictures import names, save_mask, save_pairs, save_photo

from lbt.errors import LbtError
from lbt.own_data.classes import propose_classes
from lbt.own_data.division import propose_division
from lbt.own_data.layout import find_layout
from lbt.own_data.survey import read_survey


def division_of(root):
    layout = find_layout(root / "photos", root / "masks")
    survey = read_survey(layout.root, layout.labelled)
    return propose_division(layout, survey, propose_classes(survey, "", None, None))


def counts(division):
    return {role: len(samples) for role, samples in division.roles.items()}


@pytest.mark.parametrize(
    ("labelled", "without", "wanted"),
    [
        (7, 0, (2, 2, 2, 1)),
        (5, 2, (2, 2, 2, 1)),
        (6, 1, (2, 2, 2, 1)),
        (10, 0, (3, 3, 2, 2)),
        (10, 5, (4, 4, 5, 2)),
        (40, 3, (12, 12, 11, 8)),
    ],
)
def test_every_part_is_filled(tmp_path, labelled, without, wanted):
    save_pairs(tmp_path, names(labelled))
    for name in names(without, "more_{:02d}_x"):
        save_photo(tmp_path / f"photos/{name}.jpg")
    found = counts(division_of(tmp_path))
    assert tuple(found[role] for role in ("teacher_train", "teacher_val", "unlabeled", "evaluation")) == wanted


@pytest.mark.parametrize(("labelled", "without", "least"), [(6, 0, 7), (4, 2, 5), (5, 1, 6), (1, 0, 7), (4, 900, 5)])
def test_too_few_photographs_are_refused_with_the_least_number(tmp_path, labelled, without, least):
    save_pairs(tmp_path, names(labelled))
    for name in names(min(without, 4), "more_{:02d}_x"):
        save_photo(tmp_path / f"photos/{name}.jpg")
    with pytest.raises(
        LbtError, match=rf"{labelled} photograph\(s\) with a mask.* too few\. At least {least} with a mask"
    ):
        division_of(tmp_path)


@pytest.mark.parametrize("place", range(10))
def test_a_class_of_one_photograph_is_trained(tmp_path, place):
    save_pairs(tmp_path, names(10))
    save_mask(tmp_path / f"masks/IMG_{place:04d}.png", (0, 1, 2, 3))
    found = division_of(tmp_path)
    trained = {sample.image for role in ("teacher_train", "teacher_val") for sample in found.roles[role]}
    assert f"photos/IMG_{place:04d}.jpg" in trained and not found.untrained


def test_classes_are_in_both_parts_of_the_training_photographs_where_they_can_be(tmp_path):
    save_pairs(tmp_path, names(20))
    for place in (3, 4, 11):
        save_mask(tmp_path / f"masks/IMG_{place:04d}.png", (0, 1, 2, 3))
    found = division_of(tmp_path)
    rare = {f"photos/IMG_{place:04d}.jpg" for place in (3, 4, 11)}
    for role in ("teacher_train", "teacher_val", "evaluation"):
        assert rare & {sample.image for sample in found.roles[role]}, role


def test_frames_of_a_video_stay_together(tmp_path):
    save_pairs(tmp_path, names(60, "ride_{:05d}"))
    found = division_of(tmp_path)
    assert found.frames and found.folder["stretch"] > 1
    role_of = {
        s.image: role for role in ("teacher_train", "teacher_val", "unlabeled", "evaluation") for s in found.roles[role]
    }
    changes = sum(
        role_of[f"photos/{a}.jpg"] != role_of[f"photos/{b}.jpg"]
        for a, b in zip(names(59, "ride_{:05d}"), names(60, "ride_{:05d}")[1:], strict=True)
    )
    assert changes < found.folder["stretch"]


def test_few_frames_are_still_divided(tmp_path):
    save_pairs(tmp_path, names(7, "ride_{:05d}"))
    assert counts(division_of(tmp_path))["teacher_train"] == 2


def test_a_class_that_only_the_users_own_evaluation_shows_is_not_trained(tmp_path):
    for part in ("train", "val", "test"):
        save_pairs(tmp_path, names(4, part + "{}_x"), f"photos/{part}/{{}}.jpg", f"masks/{part}/{{}}.png")
    save_mask(tmp_path / "masks/val/val1_x.png", (0, 1, 2, 3))
    assert [one.value for one in division_of(tmp_path).untrained] == [3]
