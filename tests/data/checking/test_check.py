"""The check of a data set: its report, and every problem by file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_images import exif
from stage_calls import call_stage

from lbt.config import (
    DataSettings,
    RetrainSettings,
    SearchSettings,
    Settings,
    SplitSettings,
    StudentSettings,
    WarmupSettings,
)
from lbt.config.jobs import CheckJob, pick_settings
from lbt.data.checking.check import check_data, describe, examine
from lbt.data.checking.part_sizes import BatchSize, batch_sizes, too_few_labelled
from lbt.data.problems import Problem
from lbt.errors import LbtError

SMALL = SearchSettings(batch_size=2, student=StudentSettings(model="lraspp_mobilenet_v3_large", batch_size=2))


def report_of(data: DataSettings, output: Path, **changes: object) -> dict:
    sections = {
        "splits": SplitSettings(),
        "warmup": WarmupSettings(batch_size=2),
        "search": SMALL,
        "retrain": RetrainSettings(),
    }
    call_stage("check", data=data, **(sections | changes), report=output)
    return json.loads(output.read_text())


def problems_of(data: DataSettings) -> dict[str, str]:
    problems = examine(data, SplitSettings())[1]
    assert len({problem.file for problem in problems}) == len(problems)
    return {problem.file: problem.what for problem in problems}


def files(data: DataSettings, pattern: str) -> list[Path]:
    return sorted(Path(data.root).glob(pattern))


def test_the_report_counts_images_sizes_and_pixels(cityscapes, tmp_path):
    report = report_of(cityscapes, tmp_path / "check.json")
    train = report["splits"]["train"]
    assert (train["images"], train["groups"], train["sizes"]) == (8, 4, {"60 x 40": 8})
    assert train["classes"] == {"road": 0.5, "sky": 0.25, "car": 0.25}
    assert report["splits"]["unlabeled"]["classes"] == {"road": 0, "sky": 0, "car": 0}
    assert report["parts"] == {
        "teacher_train": 4,
        "teacher_val": 4,
        "student_train": 4,
        "student_val": 4,
        "unlabeled": 3,
        "evaluation": 2,
    }


def test_ignored_pixels_are_counted_separately(folder, tmp_path):
    data = folder.model_copy(update={"folder": folder.folder.model_copy(update={"stretch": 2})})
    train = report_of(data, tmp_path / "check.json")["splits"]["train"]
    assert train["ignored"] == 0.25
    assert train["classes"] == pytest.approx({"road": 2 / 3, "car": 1 / 3})


def test_the_description_has_counts_and_shares(cityscapes):
    settings = Settings(data=cityscapes, warmup=WarmupSettings(batch_size=2), search=SMALL)
    text = describe(check_data(settings))
    assert "train: 8 images in 4 groups; width x height 60 x 40 (8)" in text
    assert "teacher_val 4" in text
    assert "50.000 %" in text


def test_every_problem_is_listed_by_file(cityscapes, tmp_path):
    images, masks = files(cityscapes, "leftImg8bit/train/*/*"), files(cityscapes, "gtFine/train/*/*")
    images[0].write_bytes(images[0].read_bytes()[:300])
    masks[1].write_bytes(b"")
    Image.fromarray(np.full((40, 50), 7, np.uint8)).save(masks[2])
    Image.fromarray(np.full((40, 60), 99, np.uint8)).save(masks[3])
    Image.new("RGB", (60, 40)).save(masks[4])
    masks[5].unlink()
    images[6].unlink()
    Image.new("RGB", (20, 20)).save(files(cityscapes, "leftImg8bit/test/*/*")[0])
    found = problems_of(cityscapes)
    expected = {
        images[0]: "cannot be decoded",
        masks[1]: "cannot be decoded",
        masks[2]: "is 50 x 40 pixels (width x height), its image 60 x 40",
        masks[3]: "ids outside the table: 99 (2400 pixels)",
        masks[
            4
        ]: "mode RGB (3 channels); save one channel of 8 bits that holds the class ids; if it holds the classes' "
        "colours, write `data.folder.mask_values: color` with `layout: folder`",
        images[5]: "has no label",
        masks[6]: "has no image",
        files(cityscapes, "leftImg8bit/test/*/*")[0]: "is 20 x 20 pixels; 32 x 32 are needed",
    }
    assert len(found) == len(expected)
    for path, what in expected.items():
        assert what in found[path.relative_to(cityscapes.root).as_posix()]
    with pytest.raises(LbtError) as caught:
        report_of(cityscapes, tmp_path / "check.json")
    lines = str(caught.value).splitlines()
    assert "8 problems" in lines[0] and len(lines) == 9
    assert not (tmp_path / "check.json").exists()


def test_a_setting_of_the_other_layout_is_named_with_it(cityscapes):
    """`data.folder` is refused in the Cityscapes layout."""
    for path in files(cityscapes, "leftImg8bit/train/*/*"):
        Image.open(path).save(path, exif=exif(3))
    whats = list(problems_of(cityscapes).values())
    assert whats and all(
        "remove the mark, or, with `layout: folder`, write `data.folder.exif" in what for what in whats
    )


def test_the_order_of_the_problems_is_fixed(cityscapes):
    for path in files(cityscapes, "*/train/*/*"):
        path.write_bytes(b"broken")
    first = examine(cityscapes, SplitSettings())[1]
    assert len(first) == 16  # every file, but no class, because no mask could be read
    assert all(first == examine(cityscapes, SplitSettings())[1] for _ in range(3))


def test_a_class_without_a_training_pixel_is_a_problem(cityscapes):
    data = cityscapes.model_copy(update={"classes": ("road", "car", "bus")})
    assert list(problems_of(data)) == ["data.classes: bus"]


def test_a_cause_that_many_files_share_is_one_line(cityscapes, tmp_path):
    for mask in files(cityscapes, "gtFine/train/*/*"):
        Image.new("RGB", (60, 40)).save(mask)
    with pytest.raises(LbtError) as caught:
        report_of(cityscapes, tmp_path / "check.json")
    first, line = str(caught.value).splitlines()
    assert "1 problem in" in first and line.count("gtFine/") == 3
    assert ", ... (8 in all): each is a mask of mode RGB (3 channels); save one channel of 8 bits" in line


def test_masks_of_a_part_without_images_are_not_reported(cityscapes):
    shutil.rmtree(Path(cityscapes.root) / "leftImg8bit/train")
    assert list(problems_of(cityscapes)) == [f"{cityscapes.root}/leftImg8bit/train"]


def test_a_class_of_held_out_images_only_is_reported_with_them(cityscapes):
    for mask in files(cityscapes, "gtFine/train/*/*"):
        values = np.array(Image.open(mask))
        values[values == 26] = 7  # car, road
        Image.fromarray(values).save(mask)
    (what,) = problems_of(cityscapes).values()
    assert what.startswith("occurs in the held-out images leftImg8bit/val/ash/ash_000000") and "add training" in what


def test_a_bad_val_mask_is_found_and_unlabelled_masks_are_not_read(cityscapes):
    path = files(cityscapes, "gtFine/val/*/*")[0]
    Image.fromarray(np.full((40, 60), 99, np.uint8)).save(path)
    other = Path(cityscapes.root) / "gtFine/test/beech"
    other.mkdir(parents=True)
    (other / "beech_000000_000019_gtFine_labelIds.png").write_bytes(b"broken")
    assert list(problems_of(cityscapes)) == [path.relative_to(cityscapes.root).as_posix()]


def test_an_empty_part_is_a_problem(cityscapes):
    shutil.rmtree(Path(cityscapes.root) / "leftImg8bit/val")
    found = problems_of(cityscapes)
    assert "holds no" in found[f"{cityscapes.root}/leftImg8bit/val"]


def test_a_missing_root_is_named(cityscapes, tmp_path):
    with pytest.raises(LbtError, match=r"data\.root: .* is not a folder"):
        report_of(cityscapes.model_copy(update={"root": str(tmp_path / "none")}), tmp_path / "check.json")


def test_too_few_groups_are_a_problem(folder):
    problems = examine(folder, SplitSettings(scheme="disjoint"))[1]
    assert [problem.file for problem in problems] == ["splits"]
    assert "2 group(s)" in problems[0].what


def test_too_few_images_are_reported_with_a_sufficient_number(cityscapes):
    for pattern in ("leftImg8bit/train/*/*", "gtFine/train/*/*"):
        for file in files(cityscapes, pattern)[:5]:
            file.unlink()
    with pytest.raises(LbtError, match=r"train: too few images: 3; 4 are enough, .*; add images$"):
        check_data(Settings(data=cityscapes))


def test_a_share_that_is_whole_up_to_rounding_fills_its_part(cityscapes):
    """A tenth of 20 images is 2, although 20 * (1 - 0.9) is 1.9999999999999996."""
    sizes = batch_sizes(pick_settings(CheckJob, Settings()))
    assert too_few_labelled(cityscapes, SplitSettings(train_fraction=0.9), sizes, 20) is None
    problem = too_few_labelled(cityscapes, SplitSettings(train_fraction=0.9), sizes, 19)
    assert problem is not None and "too few images: 19; 20 are enough" in problem.what


def test_the_least_values_are_those_of_the_settings():
    sizes = batch_sizes(pick_settings(CheckJob, Settings()))
    assert {(size.key, size.least) for size in sizes} == {
        ("warmup.batch_size", 2),
        ("search.batch_size", 2),
        ("search.student.batch_size", 2),
        ("search.shards", 1),
        ("retrain.batch_size", 2),
    }


def test_a_batch_above_its_part_is_a_problem(cityscapes, tmp_path):
    _, problems = examine(
        cityscapes,
        SplitSettings(),
        [BatchSize("warmup.batch_size", 5, ("teacher_train",)), BatchSize("search.batch_size", 4, ("teacher_val",))],
    )
    assert problems == [Problem("warmup.batch_size", "is 5, above the 4 image(s) of teacher_train; lower it")]
    with pytest.raises(LbtError, match=r"retrain\.batch_size: is 9, above the 8 image"):
        report_of(cityscapes, tmp_path / "check.json", retrain=RetrainSettings(batch_size=9))
