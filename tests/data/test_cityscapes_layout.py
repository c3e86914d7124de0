"""The Cityscapes layout: the causes of missing images and masks, and masks of train ids."""

import shutil
from pathlib import Path

import pytest
from own_folder import cityscapes_data, refusal, report, save

PARTS = (
    ("train", "aachen", 3),
    ("train", "bochum", 3),
    ("train", "ulm", 3),
    ("val", "lindau", 2),
    ("test", "berlin", 3),
)
CLASSES = ["road", "sky", "car"]


def write(root: Path, image: str = "_leftImg8bit.png", mask: str = "_gtFine_labelIds.png", values=(7, 23, 26)) -> Path:
    for part, city, count in PARTS:
        for number in range(count):
            name = f"{part}/{city}/{city}_{number:06d}_000019"
            label = None if part == "test" else f"gtFine/{name}{mask}"
            save(root, f"leftImg8bit/{name}{image}", label, values)
    return root


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG"])
def test_images_of_any_ending_are_read(tmp_path, ending):
    found = report(cityscapes_data(write(tmp_path, f"_leftImg8bit.{ending}"), classes=CLASSES))
    assert found["parts"]["evaluation"] == 2 and found["splits"]["train"]["images"] == 9 and not found["warnings"]


def test_an_image_in_two_endings_is_refused(tmp_path):
    write(tmp_path)
    save(tmp_path, "leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.jpg")
    assert "shares its stem with 1 more" in refusal(cityscapes_data(tmp_path, classes=CLASSES))


def move(root: Path, source: str, target: str) -> None:
    (root / target).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(root / source, root / target)


@pytest.mark.parametrize(
    ("moves", "root", "cause"),
    [
        ({"leftImg8bit": "c/leftImg8bit", "gtFine": "c/gtFine"}, ".", "one folder deeper; write `data.root: {root}/c`"),
        ({}, "leftImg8bit", "data.root is one folder too deep; write `data.root: {root}`"),
        ({"leftImg8bit": "zip/leftImg8bit"}, ".", "move it to {root}/leftImg8bit"),
        (
            {"gtFine": "gtFine_trainvaltest/gtFine"},
            ".",
            "gtFine_trainvaltest/gtFine is not where it is looked for; move it",
        ),
        ({"gtFine/train": "gtFine/gtFine/train"}, ".", "{root}/gtFine/gtFine is one folder too deep; move its content"),
        (
            {"gtFine": "masks"},
            ".",
            "there is no folder gtFine; {root} holds leftImg8bit, masks; unzip gtFine_trainvaltest",
        ),
        ({"gtFine": "gtCoarse"}, ".", "only coarse masks (gtCoarse) are there"),
        ({"gtFine/val": "x"}, ".", "{root}/gtFine holds train; add the part val from gtFine_trainvaltest.zip"),
        ({"leftImg8bit/test": "leftImg8bit/train_extra"}, ".", "write `data.unlabeled: train_extra`"),
        ({"leftImg8bit/test": "x"}, ".", "leftImg8bit holds train, val; add the part test"),
        (
            {
                f"leftImg8bit/test/berlin/berlin_00000{n}_000019_leftImg8bit.png": f"leftImg8bit/test/{n}.png"
                for n in range(3)
            },
            ".",
            "lie in no folder of a city; move them to leftImg8bit/test/CITY/",
        ),
    ],
)
def test_the_cause_of_missing_files_is_named(tmp_path, moves, root, cause):
    write(tmp_path)
    for source, target in moves.items():
        move(tmp_path, source, target)
    text = refusal(cityscapes_data(tmp_path / root, classes=CLASSES))
    assert cause.format(root=tmp_path) in text
    assert len(text.splitlines()) <= 3


def test_advice_about_the_root_works(tmp_path):
    write(tmp_path / "deeper")
    assert f"`data.root: {tmp_path / 'deeper'}`" in refusal(cityscapes_data(tmp_path, classes=CLASSES))
    report(cityscapes_data(tmp_path / "deeper", classes=CLASSES))


def test_files_of_other_names(tmp_path):
    text = refusal(cityscapes_data(write(tmp_path / "a", mask="_gtFine_labelTrainIds.png"), classes=CLASSES))
    assert "only masks of other kinds are there (labelTrainIds); add the files *_gtFine_labelIds.png" in text
    text = refusal(cityscapes_data(write(tmp_path / "b", image=".png"), classes=CLASSES))
    assert "such as leftImg8bit/train/aachen/aachen_000000_000019.png; rename the files to *_leftImg8bit.png" in text


def test_a_mask_that_is_a_broken_link(tmp_path):
    mask = write(tmp_path) / "gtFine/val/lindau/lindau_000001_000019_gtFine_labelIds.png"
    mask.unlink()
    mask.symlink_to("nowhere.png")
    text = refusal(cityscapes_data(tmp_path, classes=CLASSES))
    assert text.strip().startswith("gtFine/val/lindau/lindau_000001") and "link to a file that does not exist" in text


@pytest.mark.parametrize("classes", [19, 34, CLASSES])
def test_train_ids_in_place_of_label_ids_are_refused(tmp_path, classes):
    text = refusal(cityscapes_data(write(tmp_path, values=(0, 10, 13, 255)), classes=classes))
    assert text.count("\n") == 0 and "hold train ids (0 to 18), not label ids (road is 7, car 26)" in text


def test_label_ids_of_few_classes_are_no_train_ids(tmp_path):
    found = report(cityscapes_data(write(tmp_path, values=(0, 7, 8, 11)), classes=["road", "sidewalk", "building"]))
    assert found["splits"]["train"]["classes"]["road"] > 0.2
    report(cityscapes_data(write(tmp_path, values=(1, 4, 7, 9)), classes=["road", "parking"]))
    report(cityscapes_data(write(tmp_path, values=(0, 7, 8, 11))))
    found = report(cityscapes_data(write(tmp_path)))
    assert (
        len(found["warnings"]) == 2
        and "16 of 19 classes (sidewalk, building, wall, fence, pole, ...)" in found["warnings"][0]
    )
