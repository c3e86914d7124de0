"""Samples of both layouts: masks, groups, and every problem of file names."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from lbt.config import DataSettings
from lbt.data.layouts import find_orphan_masks, list_samples, scan
from lbt.errors import LbtError


def with_folder(data: DataSettings, **changes: object) -> DataSettings:
    return data.model_copy(update={"folder": data.folder.model_copy(update=changes)})


def test_cityscapes_samples(cityscapes):
    samples = list_samples(cityscapes, "train")
    assert Counter(sample.group for sample in samples) == {"alder": 3, "birch": 2, "cedar": 2, "elm": 1}
    assert samples[0].id == "alder_000000_000019"
    assert samples[0].image == "leftImg8bit/train/alder/alder_000000_000019_leftImg8bit.png"
    assert samples[0].label == "gtFine/train/alder/alder_000000_000019_gtFine_labelIds.png"
    assert [s.id for s in samples] == sorted(s.id for s in samples)
    assert len(list_samples(cityscapes, "val")) == 2


def test_unlabelled_images_have_no_label_even_if_a_mask_exists(cityscapes):
    root = Path(cityscapes.root)
    shutil.copytree(root / "leftImg8bit/train", root / "leftImg8bit/train_extra")
    shutil.copytree(root / "gtFine/train", root / "gtFine/train_extra")
    for data in (cityscapes, cityscapes.model_copy(update={"unlabeled": "train_extra"})):
        samples = list_samples(data, "unlabeled")
        assert samples and all(sample.label is None for sample in samples)
    assert samples[0].image.startswith("leftImg8bit/train_extra/")


def test_folder_groups_are_the_video_sequences(folder):
    samples = list_samples(folder, "train")
    assert Counter(sample.group for sample in samples) == {"A01": 6, "B02": 6}
    assert samples[0].label == f"trainannot/{Path(samples[0].image).stem}.png"
    assert [sample.label for sample in list_samples(folder, "unlabeled")] == [None] * 6


def test_stretch_cuts_runs_of_neighbouring_frames(folder):
    samples = list_samples(with_folder(folder, stretch=4), "train")
    frames: dict[str, list[int]] = {}
    for sample in samples:
        frames.setdefault(sample.group, []).append(int(sample.id.rpartition("_t")[2]))
    assert len(frames) == 8
    for sequence in ("A01", "B02"):
        runs = [sorted(frames[f"{sequence}:{number}"]) for number in range(4)]
        # frame 9 comes before frame 10
        assert [frame for run in runs for frame in run] == list(range(8, 14))
        assert {len(run) for run in runs} == {1, 2}


def test_a_stretch_above_the_number_of_images_gives_single_images(folder):
    samples = list_samples(with_folder(folder, stretch=100), "train")
    assert max(Counter(sample.group for sample in samples).values()) == 1


def test_masks_in_the_folder_of_the_images(tmp_path):
    for name in ("a.jpg", "a_mask.png", "b.jpg", "b_mask.png"):
        for split in ("train", "val", "test"):
            (tmp_path / split).mkdir(exist_ok=True)
            Image.new("L", (32, 32)).save(tmp_path / split / name)
    folder = {
        "classes": ({"name": "x", "id": 0, "color": (0, 0, 0)}, {"name": "y", "id": 1, "color": (9, 9, 9)}),
        "masks": "{split}/*",
        "mask_suffix": "_mask",
    }
    data = DataSettings.model_validate({"layout": "folder", "root": str(tmp_path), "folder": folder})
    assert [(s.image, s.label) for s in list_samples(data, "train")] == [
        ("train/a.jpg", "train/a_mask.png"),
        ("train/b.jpg", "train/b_mask.png"),
    ]
    assert [s.image for s in list_samples(data, "unlabeled")] == ["test/a.jpg", "test/b.jpg"]
    assert find_orphan_masks(data) == []
    (tmp_path / "train/b.jpg").unlink()
    assert [problem.file for problem in find_orphan_masks(data)] == ["train/b_mask.png"]


def test_a_missing_root_is_named(cityscapes, folder):
    for data in (cityscapes, folder):
        shutil.rmtree(data.root)
        with pytest.raises(LbtError, match=r"data\.root: .* is not a folder"):
            list_samples(data, "train")


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_image_without_its_label_is_named(cityscapes, folder, split):
    for data, pattern in ((cityscapes, f"gtFine/{split}/*/*.png"), (folder, f"{split}annot/*")):
        mask = sorted(Path(data.root).glob(pattern))[0]
        mask.unlink()
        stem = mask.stem.removesuffix("_gtFine_labelIds")
        with pytest.raises(LbtError, match=f"{stem}.*has no label; expected"):
            list_samples(data, split)


def test_a_part_without_images_is_named(cityscapes, folder):
    shutil.rmtree(Path(cityscapes.root) / "leftImg8bit/test")
    with pytest.raises(LbtError, match="leftImg8bit/test: holds no"):
        list_samples(cityscapes, "unlabeled")
    with pytest.raises(LbtError, match=r"nowhere/\*: matches no image"):
        list_samples(with_folder(folder, images="nowhere/*"), "train")


def test_scan_reports_every_file(cityscapes):
    for mask in sorted(Path(cityscapes.root).glob("gtFine/train/*/*.png"))[:5]:
        mask.unlink()
    samples, problems = scan(cityscapes, "train")
    assert (len(samples), len(problems)) == (3, 5)


def test_orphan_masks_are_named(cityscapes, folder):
    assert find_orphan_masks(cityscapes) == find_orphan_masks(folder) == []
    for data, pattern in ((cityscapes, "leftImg8bit/train/elm/*"), (folder, "train/A01_t8.jpg")):
        image = next(Path(data.root).glob(pattern))
        image.unlink()
        (problem,) = find_orphan_masks(data)
        assert image.stem.removesuffix("_leftImg8bit") in problem.file


def test_two_images_of_one_stem_are_refused(folder):
    source = Path(folder.root) / "train/A01_t8.jpg"
    Image.open(source).save(source.with_suffix(".png"))
    with pytest.raises(LbtError, match="shares its stem"):
        list_samples(folder, "train")


@pytest.mark.parametrize(
    ("group", "message"),
    [("(", "is not a regular expression"), ("abc", "has no group"), ("^(Z.*)$", "does not match data.folder.group")],
)
def test_bad_group_expressions_are_refused(folder, group, message):
    with pytest.raises(LbtError, match=message):
        list_samples(with_folder(folder, group=group), "train")


def test_listing_does_not_import_torch():
    code = "import sys, lbt.data.layouts, lbt.data.splits, lbt.data.checking.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
