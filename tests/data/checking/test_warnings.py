"""What the check says about a data set that a run accepts: files left out, ignored pixels, classes, frames, copies."""

import shutil

import numpy as np
import pytest
from own_folder import folder_data, refusal, report, save, warning
from PIL import Image

from lbt.config import SplitSettings
from lbt.data.checking import equal_images
from lbt.data.checking.check import describe, describe_warnings
from lbt.data.write_split import split_dataset

BINARY = [{"name": "background", "id": 0, "color": [0, 0, 0]}, {"name": "object", "id": 1, "color": [255, 255, 255]}]


def write(root, count=10, name="{:02d}", values=(0, 1, 2)):
    for number in range(count):
        chosen = values(number) if callable(values) else values
        save(root, f"photos/{name.format(number)}.png", f"masks/{name.format(number)}.png", chosen)
    return root


def test_a_good_set_has_no_warning(tmp_path):
    found = report(folder_data(write(tmp_path, name="IMG_{:04d}")))
    assert found["warnings"] == [] and describe_warnings(found) == ""
    assert describe(found).startswith(f"{tmp_path}: no problem found\n")


def test_the_table_counts_each_file(tmp_path):
    write(tmp_path, 12, "IMG_{:02d}")
    (tmp_path / "masks/IMG_03.png").unlink()
    for name in ("x.jp2", "y.JFIF", "z.heic", "notes.txt", ".hidden.png"):
        (tmp_path / "photos" / name).write_bytes(b"")
    (tmp_path / "photos/gone.jpg").symlink_to("nowhere.jpg")
    save(tmp_path, "photos/.thumbs/IMG_01.jpg")
    save(tmp_path, "photos/more/IMG_99.jpg")
    found = report(folder_data(tmp_path))
    rows = {row["folder"]: row for row in found["files"]}
    assert rows == {
        "masks": {
            "folder": "masks",
            "found": 11,
            "used": 9,
            "unlabelled": 0,
            "left_out": {"mask of an unlabelled image": 2},
        },
        "photos": {
            "folder": "photos",
            "found": 18,
            "used": 9,
            "unlabelled": 3,
            "left_out": {
                "broken link": 1,
                "ending .JFIF": 1,
                "ending .heic": 1,
                "ending .jp2": 1,
                "ending .txt": 1,
                "hidden": 1,
            },
        },
        "photos/.thumbs": {
            "folder": "photos/.thumbs",
            "found": 1,
            "used": 0,
            "unlabelled": 0,
            "left_out": {"hidden folder": 1},
        },
        "photos/more": {
            "folder": "photos/more",
            "found": 1,
            "used": 0,
            "unlabelled": 0,
            "left_out": {"in a folder that the pattern does not reach": 1},
        },
    }
    for row in rows.values():
        assert row["found"] == row["used"] + row["unlabelled"] + sum(row["left_out"].values())
    text = describe(found)
    assert "no problem found, but 2 warnings (see below)" in text
    assert "photos              18       9          3  1 broken link, 1 ending .JFIF" in text
    assert "3 picture(s) beside the images are left out" in warning(folder_data(tmp_path), "endings")
    assert "1 image(s) are links to files that do not exist, and are left out (photos/gone.jpg)" in found["warnings"][1]


def test_of_two_patterns_the_reason_of_the_wider_one_counts(tmp_path):
    for number in range(10):
        save(tmp_path, f"all/IMG_{number}.png", f"all/IMG_{number}_mask.png")
    (tmp_path / "all/notes.txt").write_bytes(b"")
    (row,) = report(folder_data(tmp_path, images="all/*", masks="all/*_mask.png", mask_suffix="_mask"))["files"]
    assert row["found"] == 21 and row["left_out"] == {"ending .txt": 1, "mask of an unlabelled image": 2}


def test_a_table_of_many_folders_is_short(tmp_path):
    for number in range(60):
        save(
            tmp_path,
            f"photos/{number // 20}/{number}/IMG_{number}.png",
            f"masks/{number // 20}/{number}/IMG_{number}.png",
        )
    found = report(folder_data(tmp_path, images="photos/**/*", masks="masks/**/*"))
    assert [row["folder"] for row in found["files"]] == [f"{a}/{b}/..." for a in ("masks", "photos") for b in range(3)]
    assert sum(row["found"] for row in found["files"]) == 120


def test_ignored_pixels_are_counted_by_value_and_mask(tmp_path):
    write(tmp_path, name="IMG_{:02d}", values=lambda number: (0, 1, 2, 255) if number % 2 else (0, 1, 2))
    found = report(folder_data(tmp_path))
    of_train = found["splits"]["train"]["ignored_values"]["255"]
    assert of_train["masks"] in range(1, 6) and of_train["share"] == of_train["masks"] / 6 / 4
    assert (
        f"ignored pixels of train: 255: {100 * of_train['share']:.1f} % (in {of_train['masks']} of 6 masks)"
        in describe(found)
    )


def test_many_ignored_pixels_are_warned_of(tmp_path):
    write(tmp_path, name="IMG_{:02d}", values=(0, 1, 2, 9, 255, 255, 255, 255))
    data = folder_data(tmp_path, ignore=[255, 9])
    assert "62 % of the pixels of train are ignored (9: 12 %, 255: 50 %)" in warning(data, "of train")
    assert "of val" in warning(data, "of val are ignored")
    colors = [{"name": "a", "color": [1, 1, 1]}, {"name": "b", "color": [2, 2, 2]}]
    write(tmp_path, name="IMG_{:02d}", values=(1, 2, 0, 0, 0, 0))
    text = warning(folder_data(tmp_path, mask_values="color", classes=colors, ignore=[]), "of train")
    assert "67 % of the pixels of train are ignored ([0, 0, 0]: 67 %)" in text


def test_a_value_that_stands_for_a_class_in_half_of_the_masks(tmp_path):
    write(tmp_path, name="IMG_{:02d}", values=lambda number: (0, 1) if number % 2 else (0, 255))
    text = warning(folder_data(tmp_path, classes=BINARY), "seems to stand for")
    assert "255 is ignored and seems to stand for object in" in text and "of 8 masks" in text
    # a border or a licence plate in some masks is no class
    write(tmp_path, name="IMG_{:02d}", values=lambda number: (0, 1, 255) if number % 2 else (0, 1))
    assert report(folder_data(tmp_path, classes=BINARY))["warnings"] == []
    # nor is a rare class missing where something is ignored
    rare = {1: (0, 1, 1, 255), 2: (0, 1, 2, 2)}
    write(tmp_path, name="IMG_{:02d}", values=lambda number: rare.get(number % 5, (0, 1)))
    assert not [text for text in report(folder_data(tmp_path))["warnings"] if "stand for" in text]


def test_a_value_that_stands_for_the_only_class_although_many_masks_show_neither(tmp_path):
    shown = ((0, 1), (0, 255), (0,))
    write(tmp_path, 30, name="IMG_{:02d}", values=lambda number: shown[number % 3])
    assert "seems to stand for object in" in warning(folder_data(tmp_path, classes=BINARY), "stand for")
    # a value that is ignored in two masks may be missing beside the class by chance
    write(tmp_path, 30, name="IMG_{:02d}", values=lambda number: (0, 255) if number < 2 else shown[number % 2 * 2])
    assert not [text for text in report(folder_data(tmp_path, classes=BINARY))["warnings"] if "stand for" in text]


@pytest.mark.parametrize("place", ["masks/more/{}.png", "masks/{}.png.bak", "masks/{}.TIF.part"])
def test_masks_that_are_not_found_where_the_folder_is_undivided(tmp_path, place):
    write(tmp_path, 12, name="IMG_{:02d}")
    for number in range(3):
        moved = tmp_path / place.format(f"IMG_{number:02d}")
        moved.parent.mkdir(exist_ok=True)
        (tmp_path / f"masks/IMG_{number:02d}.png").rename(moved)
    text = warning(folder_data(tmp_path), "stem of an image without a mask")
    assert text.startswith("3 file(s)") and place.format("IMG_00") in text


def test_masks_of_0_and_255(tmp_path):
    write(tmp_path, name="IMG_{:02d}", values=(0, 0, 0, 255))
    text = refusal(folder_data(tmp_path, classes=BINARY))
    assert (
        text.count("\n") == 0 and "object: has no pixel in the training and held-out images, but 255, which is " in text
    )
    assert "covers 25 % of the pixels, in 8 of 8 masks" in text
    assert "write `id: 255` for the class and `ignore: []` in data.folder" in text
    followed = [BINARY[0], BINARY[1] | {"id": 255}]
    found = report(folder_data(tmp_path, classes=followed, ignore=[]))
    assert found["splits"]["train"]["classes"] == {"background": 0.75, "object": 0.25} and found["warnings"] == []


def test_a_class_that_is_never_shown_in_a_part(tmp_path):
    data = folder_data(write(tmp_path, 12, name="IMG_{:02d}"))
    roles = split_dataset(data, SplitSettings())
    for sample in roles["evaluation"]:
        save(tmp_path, sample.image, sample.label, (0, 1))
    assert "(evaluation) show no pixel of 1 of 3 classes (car): the mIoU is the mean over 2 of 3" in warning(
        data, "car"
    )
    for sample in roles["evaluation"]:
        save(tmp_path, sample.image, sample.label, (0, 1, 2))
    for sample in roles["teacher_val"]:
        save(tmp_path, sample.image, sample.label, (0, 2))
    text = warning(data, "road")
    assert text.startswith("the images of teacher_val and student_val show no pixel of 1 of 3 classes (road)")


@pytest.mark.parametrize("name", ["clip_{:04d}", "{:05d}", "seq1_frame{:d}_rgb", "{:05d}0"])
def test_frames_of_a_video_in_groups_of_one(tmp_path, name):
    write(tmp_path, 30, name)
    text = warning(folder_data(tmp_path), "frames of a video")
    assert (
        "neighbours are in different groups" in text
        and "pairs of neighbours are in different parts, such as photos/" in text
    )
    follow(tmp_path, text, {}, 6)


def follow(root, text, patterns, groups):
    """Write what a warning advises; then the warning is gone and neighbours share a group."""
    expression = text.split('`group: "')[1].split('"`')[0]
    stretch = int(text.split("`stretch: ")[1].split("`")[0]) if "`stretch: " in text else 1
    found = report(folder_data(root, group=expression, stretch=stretch, **patterns))
    assert sum(part["groups"] for part in found["splits"].values()) == groups
    assert not [other for other in found["warnings"] if "frames" in other]


def test_frames_of_several_videos(tmp_path):
    for clip in "abcdef":
        for number in range(5):
            save(tmp_path, f"photos/{clip}/{number}.png", f"masks/{clip}/{number}.png")
            save(tmp_path, f"flat/{clip}_{number}.png", f"flat masks/{clip}_{number}.png")
    nested = {"images": "photos/**/*", "masks": "masks/**/*"}
    flat = {"images": "flat/*", "masks": "flat masks/*"}
    text = warning(folder_data(tmp_path, **flat), "frames of a video")
    assert "stretch" not in text
    follow(tmp_path, text, flat, 6)
    text = warning(folder_data(tmp_path, group="^(.*/.*)$", **nested), "frames of a video")
    follow(tmp_path, text, nested, 6)


def test_frames_of_two_cameras_at_the_same_time(tmp_path):
    for camera in "ab":
        for number in range(15):
            save(tmp_path, f"photos/{camera}/{number:04d}.png", f"masks/{camera}/{number:04d}.png")
    patterns = {"images": "photos/**/*", "masks": "masks/**/*"}
    follow(tmp_path, warning(folder_data(tmp_path, **patterns), "frames of a video"), patterns, 6)


@pytest.mark.parametrize("name", ["IMG_{:04d}", "DSC{:05d}", "PXL_20240512_{:06d}"])
def test_photographs_of_a_camera_are_no_frames(tmp_path, name):
    assert report(folder_data(write(tmp_path, 12, name)))["warnings"] == []


def test_scattered_numbers_are_no_frames(tmp_path):
    for number in np.random.default_rng(0).integers(0, 10**9, 12):
        save(tmp_path, f"photos/{number:012d}.png", f"masks/{number:012d}.png")
    assert report(folder_data(tmp_path))["warnings"] == []


def parts(root):
    for number in range(8):
        save(root, f"train/{chr(97 + number)}.png", f"trainannot/{chr(97 + number)}.png")
    for number in range(4):
        save(root, f"val/{chr(117 + number)}.png", f"valannot/{chr(117 + number)}.png")
        save(root, f"test/{chr(105 + number)}.png")
    return folder_data(root, images="{split}/*", masks="{split}annot/*")


def test_copies_in_two_parts_are_named(tmp_path):
    data = parts(tmp_path)
    assert report(data)["warnings"] == []
    shutil.copy(tmp_path / "train/a.png", tmp_path / "val/u.png")  # equal files
    Image.open(tmp_path / "train/b.png").save(tmp_path / "val/v.bmp")  # equal pixels
    (tmp_path / "val/v.png").unlink()
    shutil.copy(tmp_path / "test/i.png", tmp_path / "val/w.png")
    found = report(data)["warnings"]
    listed = " ".join(found)
    assert "val/u.png = train/a.png" in listed and "val/v.bmp = train/b.png" in listed
    assert "1 photograph(s) are both in evaluation and in unlabeled, so that the score of the evaluation" in listed
    pixels = np.array(Image.open(tmp_path / "train/b.png"))
    pixels[1, 1] ^= 1
    Image.fromarray(pixels).save(tmp_path / "val/v.bmp")
    assert "v.bmp" not in " ".join(report(data)["warnings"])  # one pixel differs


def test_all_photographs_alike(tmp_path):
    write(tmp_path, name="IMG_{:02d}")
    for path in (tmp_path / "photos").iterdir():
        if path.name != "IMG_00.png":
            shutil.copy(tmp_path / "photos/IMG_00.png", path)
    (text,) = report(folder_data(tmp_path))["warnings"]
    assert text.startswith("all 10 photographs are equal, such as photos/IMG_0")


def test_files_of_equal_bytes_are_not_decoded_again(tmp_path, monkeypatch):
    data = parts(tmp_path)
    shutil.copy(tmp_path / "train/a.png", tmp_path / "val/u.png")
    monkeypatch.setattr(equal_images, "_pixels", lambda path, _: pytest.fail(f"{path} was decoded again"))
    assert "val/u.png = train/a.png" in report(data)["warnings"][0]


def test_exchanged_folders_of_equal_names_are_recognised(tmp_path):
    write(tmp_path, name="IMG_{:02d}")
    text = refusal(folder_data(tmp_path, images="masks/*", masks="photos/*"))
    assert text.strip() == "data.folder: images and masks seem to be swapped; exchange `images` and `masks`"
