"""The folder layout: undivided folders of photographs and masks, and masks that hold colours."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from image_pairs import save_pair
from PIL import Image
from pydantic import ValidationError

from lbt.config import DataSettings, Settings, SplitSettings
from lbt.data.checking.check import check_data, describe, examine
from lbt.data.classes import IGNORE, class_table
from lbt.data.layouts import find_orphan_masks, list_samples
from lbt.data.masks import read_mask
from lbt.data.splits import ROLES
from lbt.data.write_split import split_dataset
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


def test_an_undivided_folder_is_divided(ten):
    data = settings(ten)
    parts = {split: list_samples(data, split) for split in ("train", "val", "unlabeled")}
    assert {split: len(samples) for split, samples in parts.items()} == {"train": 6, "val": 2, "unlabeled": 2}
    names = Counter(sample.id for samples in parts.values() for sample in samples)
    assert set(names.values()) == {1} and len(names) == 10
    assert all((sample.label is None) == (split == "unlabeled") for split, part in parts.items() for sample in part)
    assert examine(data, SplitSettings())[1] == []
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
    assert [problem.file for problem in find_orphan_masks(data)] == ["labels/IMG_5.png"]


def test_a_group_stays_whole(tmp_path):
    for stretch in "abcde":
        for number in range(3):
            save_pair(tmp_path / f"photos/{stretch}_{number}.jpg", tmp_path / f"labels/{stretch}_{number}.png", number)
    data = settings(tmp_path, group="^(.)_")
    groups = [{sample.group for sample in list_samples(data, split)} for split in ("train", "val", "unlabeled")]
    assert [len(found) for found in groups] == [3, 1, 1] and len(set.union(*groups)) == 5


def test_wrong_patterns_are_named(ten):
    with pytest.raises(LbtError, match=r"labels/\*: no mask has the stem of an image .*mask_suffix"):
        list_samples(settings(ten, mask_suffix="_mask"), "train")
    with pytest.raises(LbtError, match=r"nowhere/\*: matches no image.*data\.folder\.images"):
        list_samples(settings(ten, images="nowhere/*"), "train")
    parsed = Settings.model_validate({"data": settings(ten, images="nowhere/*")})
    with pytest.raises(LbtError) as caught:
        check_data(parsed)
    lines = str(caught.value).splitlines()
    assert "nowhere/*: matches no image" in lines[1] and len(lines) == 2  # no problem of masks or classes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"masks": "{split}/*"}, "write it in both"),
        ({"val_share": 0.6, "unlabeled_share": 0.4}, r"0\.6 \+ 0\.4 leaves no image"),
        ({"classes": [CLASSES[0], {**CLASSES[1], "color": CLASSES[0]["color"]}]}, "color .* is listed twice"),
        ({"classes": [CLASSES[0], {"name": "car", "color": [0, 0, 142]}]}, "car has no `id`"),
        ({"mask_values": "color", "ignore_colors": [[0, 0, 142]]}, r"color \[0, 0, 142\] is a class and also in"),
    ],
)
def test_contradictory_settings_are_refused(tmp_path, change, message):
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
    table = class_table(settings(tmp_path, mask_values="color", classes=classes))
    label, _ = read_mask(tmp_path / "a.png", table.codes)
    assert label[:, 5].tolist() == [0] * 20 + [1] * 10 + [IGNORE] * 10


def small(data: DataSettings) -> Settings:
    """Settings of this data set with the smallest batches."""
    batches = {section: {"batch_size": 2} for section in ("warmup", "search", "retrain")}
    batches["search"] |= {"student": {"model": "lraspp_mobilenet_v3_large", "batch_size": 2}}
    return Settings.model_validate({"data": data, **batches})


def message(data: DataSettings) -> list[str]:
    """The lines of the error that `check` raises."""
    with pytest.raises(LbtError) as caught:
        check_data(small(data))
    return str(caught.value).splitlines()


def test_a_wrong_colour_table_is_reported_with_the_nearest_class(ten):
    for number in range(10):
        color_mask(ten / f"labels/IMG_{number}.png", [ROAD] * 30 + [(0, 0, 143)] * 10)
    data = settings(ten, mask_values="color")
    problems = [p for p in examine(data, SplitSettings())[1] if p.file.startswith("labels")]
    assert len(problems) == 8
    found = "holds colours outside the table: [0, 0, 143] (400 pixels; nearest class colour: car [0, 0, 142]); correct"
    assert found in problems[0].what
    first, line = message(data)
    assert "1 problem in" in first and line.count("labels/") == 3 and "(8 in all): each holds colours" in line
    assert "[0, 0, 143] (in 8; nearest class colour: car [0, 0, 142]); correct the colours" in line
    first, line = message(settings(ten))
    assert "(8 in all): each is a mask of mode RGB (3 channels)" in line and "mask_values: color" in line


def test_masks_of_ids_read_as_colours_and_compressed_masks_are_recognised(ten):
    data = settings(ten, mask_values="color")
    assert "write `data.folder.mask_values: id`" in message(data)[1]
    noise = np.random.default_rng(0)
    for number in range(10):
        color_mask(ten / f"labels/IMG_{number}.png", [tuple(row) for row in noise.integers(0, 256, (40, 3))])
    (line,) = message(data)[1:]
    assert "more; save the masks without compression losses" in line


def test_unknown_ids_are_counted_by_masks(ten):
    for number, path in enumerate(sorted((ten / "labels").iterdir())):
        values = np.array(Image.open(path))
        values[:2] = 99 if number % 2 else 98
        values[2] = 97
        Image.fromarray(values).save(path)
    (line,) = message(settings(ten))[1:]
    assert "(8 in all): each holds ids outside the table: 97 (in 8), " in line and "98 (in " in line
    assert "nearest" not in line


def test_too_few_masks_are_reported_instead_of_batches_that_cannot_be_smaller(ten):
    whole = (ten / "labels").iterdir()
    for path in sorted(whole)[5:]:
        path.unlink()
    (line,) = message(settings(ten))[1:]
    assert "too few labelled photographs: 5 of 10 images have a mask; 7 are enough" in line
    assert "add masks, or lower `data.folder.val_share` or `data.folder.unlabeled_share`" in line
    for number in range(7):
        save_pair(ten / f"photos/IMG_{number}.jpg", ten / f"labels/IMG_{number}.png", seed=number)
    check_data(small(settings(ten)))


@pytest.mark.parametrize("number", [1, 3, 5])
def test_too_few_photographs_are_reported_with_a_sufficient_number(ten, number):
    for path in sorted(ten.rglob("IMG_*")):
        if int(path.stem[-1]) >= number:
            path.unlink()
    (line,) = message(settings(ten))[1:]
    assert f"{number} of {number} images have a mask; 10 are enough" in line and "add photographs with masks" in line
    assert ("or lower" in line) == (number == 5) and "stretch" not in line


def test_photographs_of_a_single_group_are_reported(ten):
    with pytest.raises(LbtError, match=r"10 images in 1 group\(s\) \(IMG\).*`data.folder.group` finer"):
        check_data(Settings.model_validate({"data": settings(ten, group="^(.*)_")}))


def test_too_few_unlabelled_photographs_are_reported(ten):
    (line,) = message(settings(ten, unlabeled_share=0.05))[1:]
    assert "unlabeled: too few unlabelled images: 1 of at least 2; add photographs without a mask, or raise" in line


def test_the_report_counts_unlabelled_images_with_and_without_a_mask(ten):
    (ten / "labels/IMG_4.png").unlink()
    text = describe(check_data(small(settings(ten))))
    assert "unlabeled: 3 images in 3 groups (2 set aside without reading their masks, 1 have no mask)" in text


def test_another_seed_gives_another_division(ten):
    data = settings(ten)
    default = {split: list_samples(data, split) for split in ("train", "val", "unlabeled")}
    assert default == {split: list_samples(data, split, seed=0) for split in default}
    assert [Path(sample.id).name for sample in default["val"]] == [
        "IMG_3",
        "IMG_7",
    ]  # must never change
    held_out = {tuple(split_dataset(data, SplitSettings(seed=seed))["evaluation"]) for seed in range(5)}
    assert len(held_out) > 2


def test_a_class_of_held_out_images_only_is_reported_and_another_seed_helps(ten):
    data = settings(ten)
    held_out = {Path(sample.id).name for sample in list_samples(data, "val")}
    for path in (ten / "labels").iterdir():
        if path.stem not in held_out:
            values = np.array(Image.open(path))
            values[values == 26] = 7  # car, road
            Image.fromarray(values).save(path)
    (line,) = message(data)[1:]
    assert "classes: car: occurs in the held-out images photos/IMG_3.jpg, photos/IMG_7.jpg only" in line
    assert "change `splits.seed`" in line and "`{split}`" in line and "remove" not in line
    problems = [examine(data, SplitSettings(seed=seed))[1] for seed in range(1, 6)]
    assert [] in problems


def test_a_class_without_a_pixel_may_occur_in_masks_that_are_not_read(ten):
    more = [*CLASSES, {"name": "dog", "id": 5, "color": [1, 2, 3]}]
    (line,) = message(settings(ten, classes=more))[1:]
    assert "classes: dog: has no pixel in the training and held-out images; remove the class or correct its id" in line
    assert "if only the 2 unlabelled images show it, change `splits.seed`" in line
