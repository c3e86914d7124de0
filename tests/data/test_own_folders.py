"""Photographs and masks in two folders, without official parts, and masks that hold colours."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import save_pair
from PIL import Image
from pydantic import ValidationError

from lbt.config import DataSettings, Settings, SplitSettings
from lbt.data.check import check_data, find_problems
from lbt.data.classes import IGNORE, class_table
from lbt.data.dataset import decode_label
from lbt.data.layouts import list_samples, orphan_masks
from lbt.data.splits import ROLES, split_dataset
from lbt.errors import LbtError

CLASSES = [{"name": "road", "id": 7, "color": [128, 64, 128]}, {"name": "car", "id": 26, "color": [0, 0, 142]}]
ROAD, CAR = (tuple(c["color"]) for c in CLASSES)


def settings(root: Path, **folder) -> DataSettings:
    whole = {"images": "photos/*", "masks": "labels/*", "group": "^(.*)$", "ignore": [23], "classes": CLASSES}
    content = {"layout": "folder", "root": str(root), "folder": whole | folder}
    return DataSettings.model_validate_json(json.dumps(content))


@pytest.fixture
def ten(tmp_path) -> Path:
    for number in range(10):
        save_pair(tmp_path / f"photos/IMG_{number}.jpg", tmp_path / f"labels/IMG_{number}.png", seed=number)
    return tmp_path


def test_ten_photographs_are_divided(ten):
    data = settings(ten)
    parts = {split: list_samples(data, split) for split in ("train", "val", "unlabeled")}
    assert {split: len(samples) for split, samples in parts.items()} == {"train": 6, "val": 2, "unlabeled": 2}
    names = Counter(sample.id for samples in parts.values() for sample in samples)
    assert set(names.values()) == {1} and len(names) == 10
    assert all((sample.label is None) == (split == "unlabeled") for split, part in parts.items() for sample in part)
    assert find_problems(data, SplitSettings(), ()) == []
    roles = split_dataset(data, SplitSettings())
    assert {role: len(roles[role]) for role in ROLES} == {
        **dict.fromkeys(("teacher_train", "teacher_val", "student_train", "student_val"), 3),
        **{"unlabeled": 2, "evaluation": 2},
    }


def test_an_image_without_a_mask_is_unlabelled(ten):
    (ten / "labels/IMG_4.png").unlink()
    data = settings(ten, unlabeled_share=0.0)
    assert [sample.id for sample in list_samples(data, "unlabeled")] == ["photos/IMG_4"]
    assert len(list_samples(data, "train")) + len(list_samples(data, "val")) == 9
    (ten / "photos/IMG_5.jpg").unlink()
    assert [problem.file for problem in orphan_masks(data)] == ["labels/IMG_5.png"]


def test_a_group_stays_whole(tmp_path):
    for stretch in "abcde":
        for number in range(3):
            save_pair(tmp_path / f"photos/{stretch}_{number}.jpg", tmp_path / f"labels/{stretch}_{number}.png", number)
    data = settings(tmp_path, group="^(.)_")
    groups = [{sample.group for sample in list_samples(data, split)} for split in ("train", "val", "unlabeled")]
    assert [len(found) for found in groups] == [3, 1, 1] and len(set.union(*groups)) == 5


def test_masks_of_other_names_are_answered(ten):
    with pytest.raises(LbtError, match=r"labels/\*: no mask has the stem of an image .*mask_suffix"):
        list_samples(settings(ten, mask_suffix="_mask"), "train")
    with pytest.raises(LbtError, match=r"nowhere/\*: matches no image.*data\.folder\.images"):
        list_samples(settings(ten, images="nowhere/*"), "train")
    parsed = Settings.model_validate({"data": settings(ten, images="nowhere/*")})
    with pytest.raises(LbtError) as caught:
        check_data(parsed)
    lines = str(caught.value).splitlines()
    assert "nowhere/*: matches no image" in lines[1] and len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": "{split}/*"}, "write it in both"),
        ({"val_share": 0.6, "unlabeled_share": 0.4}, r"0\.6 \+ 0\.4 leaves no image"),
        ({"classes": [CLASSES[0], {**CLASSES[1], "color": CLASSES[0]["color"]}]}, "color .* stands twice"),
        ({"classes": [CLASSES[0], {"name": "car", "color": [0, 0, 142]}]}, "car has no `id`"),
        ({"mask_values": "color", "ignore_colors": [[0, 0, 142]]}, r"color \[0, 0, 142\] is a class and stands in"),
    ],
)
def test_settings_that_contradict_themselves(tmp_path, change, message):
    with pytest.raises(ValidationError, match=message):
        settings(tmp_path, **change)


def color_mask(path: Path, rows: list[tuple[int, int, int]], mode: str = "RGB") -> None:
    pixels = np.repeat(np.array(rows, np.uint8)[:, None], 40, axis=1)
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(pixels)
    (image.quantize(8) if mode == "P" else image.convert(mode)).save(path)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_a_mask_of_colours(tmp_path, mode):
    color_mask(tmp_path / "a.png", [ROAD] * 20 + [CAR] * 10 + [(0, 0, 0)] * 10, mode)
    classes = [{"name": c["name"], "color": c["color"]} for c in CLASSES]
    label = decode_label(tmp_path / "a.png", class_table(settings(tmp_path, mask_values="color", classes=classes)))
    assert label[:, 5].tolist() == [0] * 20 + [1] * 10 + [IGNORE] * 10


def test_a_wrong_colour_table_says_what_to_change(ten):
    for number in range(10):
        color_mask(ten / f"labels/IMG_{number}.png", [ROAD] * 30 + [(0, 0, 143)] * 10)
    data = settings(ten, mask_values="color")
    problems = [p for p in find_problems(data, SplitSettings(), ()) if p.file.startswith("labels")]
    assert len(problems) == 8
    assert "holds colours outside the table: [0, 0, 143] (400 pixels); correct the colours" in problems[0].what
    (problem, *_) = (p for p in find_problems(settings(ten), SplitSettings(), ()) if p.file.startswith("labels"))
    assert "mode RGB (3 channels)" in problem.what and "mask_values: color" in problem.what
