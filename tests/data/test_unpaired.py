"""Where no mask belongs to an image, or no image is found, the message says what is there and what to write."""

import os

import pytest
from own_folder import folder_data, refusal, report, save, warning

from lbt.data.layouts import list_samples
from lbt.errors import LbtError


def write(root, images="photos/IMG_{:02d}.jpg", masks="masks/IMG_{:02d}.png"):
    for number in range(10):
        save(root, images.format(number), masks.format(number))
    return root


def message(data) -> str:
    with pytest.raises(LbtError) as caught:
        report(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("masks", "setting"),
    [
        ("masks/IMG_{:02d}_mask.png", {"mask_suffix": "_mask"}),
        ("masks/IMG_{:02d}.jpg.png", {"mask_suffix": ".jpg"}),
        ("masks/mask_IMG_{:02d}.png", {"mask_prefix": "mask_"}),
        ("masks/{:02d}_labelIds.png", {"image_prefix": "IMG_", "mask_suffix": "_labelIds"}),
        ("masks/a/IMG_{:02d}.png", {"masks": "masks/**/*"}),
        ("masks/IMG_{:02d}/IMG_{:02d}.png", {"masks": "masks/**/*"}),
        ("labels/IMG_{:02d}.png", {"masks": "labels/*"}),
        ("more/seg/IMG_{:02d}.png", {"masks": "more/seg/*"}),
    ],
)
def test_the_advice_works_when_it_is_followed(tmp_path, masks, setting):
    for number in range(10):
        save(tmp_path, f"photos/IMG_{number:02d}.jpg", masks.replace("{:02d}", f"{number:02d}"))
    text = message(folder_data(tmp_path))
    for key, value in setting.items():
        assert f'`{key}: "{value}"`' in text or f"`{key}: {value!r}`" in text, text
    found = report(folder_data(tmp_path, **setting))
    assert (found["splits"]["train"]["images"], found["splits"]["unlabeled"]["without_mask"]) == (6, 0)


def test_a_wrong_suffix_is_taken_back(tmp_path):
    text = message(folder_data(write(tmp_path), mask_suffix="_mask"))
    assert 'write `mask_suffix: ""` in data.folder' in text and "images are named IMG_00.jpg, IMG_01.jpg" in text


@pytest.mark.parametrize("masks", ["masks/IMG_{:02d}.png", "masks/IMG_{:02d}_mask.png"])
def test_exchanged_folders_are_recognised(tmp_path, masks):
    write(tmp_path, masks=masks)
    assert "seem to be swapped; exchange" in message(folder_data(tmp_path, images="masks/*", masks="photos/*"))


@pytest.mark.parametrize(
    ("images", "masks", "what"),
    [
        (
            "photos/IMG_{:02d}.jpg",
            "masks/img_{:02d}.png",
            'write `image_prefix: "IMG"`, `mask_prefix: "img"` in data.folder',
        ),
        ("photos/{}.jpg", "masks/{:04d}.png", "names differ in leading zeros (image 0, mask 0000)"),
        ("photos/a{}.jpg", "masks/b{:d}9.png", "images are named a0.jpg, a1.jpg, a2.jpg, ..., masks b09.png, b19.png"),
    ],
)
def test_names_that_no_setting_pairs_are_shown(tmp_path, images, masks, what):
    assert what in message(folder_data(write(tmp_path, images, masks)))


def test_what_is_there_instead_of_images(tmp_path):
    write(tmp_path)
    assert "there is no folder foto in data.root; did you mean photos?" in message(
        folder_data(tmp_path, images="foto/*")
    )
    assert "holds the folders masks, photos" in message(folder_data(tmp_path, images="xyz/*"))
    (tmp_path / "empty").mkdir()
    assert "the folder is empty; correct data.folder.images" in message(folder_data(tmp_path, images="empty/*"))
    for name in ("a.heic", "b.heic", "c.txt"):
        (tmp_path / "empty" / name).write_bytes(b"")
    text = message(folder_data(tmp_path, images="empty/*"))
    assert "files with other endings (2 .heic, 1 .txt), and only .bmp .jpeg .jpg" in text
    assert "files of other names (IMG_00.jpg, " in message(folder_data(tmp_path, images="photos/*.png"))
    save(tmp_path, "deep/a/1.jpg")
    assert "the folders below it (deep/a) hold 1; write `images: 'deep/**/*'`" in message(
        folder_data(tmp_path, images="deep/*")
    )


def test_the_root_of_the_data_set_is_looked_for_near_by(tmp_path):
    write(tmp_path / "my set")
    for root in (tmp_path, tmp_path / "my set/photos"):
        assert f"write `data.root: {tmp_path / 'my set'}`" in message(folder_data(root))
    (tmp_path / "set.zip").write_bytes(b"")
    assert "set.zip is not a folder; unpack it and name the folder" in message(folder_data(tmp_path / "set.zip"))


def test_upper_case_endings_and_a_pattern_in_lower_case(tmp_path):
    write(tmp_path, "photos/IMG_{:02d}.JPG", "masks/IMG_{:02d}.PNG")
    report(folder_data(tmp_path))
    text = message(folder_data(tmp_path, images="photos/*.jpg"))
    assert "names differ from it in upper and lower case (IMG_00.JPG, " in text
    (tmp_path / "masks/IMG_03.PNG").unlink()
    (tmp_path / "photos/IMG_03.JPG").rename(tmp_path / "photos/IMG_03.jpg")
    text = warning(folder_data(tmp_path, images="photos/*.JPG"), "upper and lower case")
    assert "1 image(s) are left out, because their names differ from photos/*.JPG" in text


def test_a_folder_for_each_mask(tmp_path):
    write(tmp_path, masks="masks/IMG_{:02d}/mask.png")
    text = message(folder_data(tmp_path, masks="masks/*/*"))
    assert "rename masks such as masks/IMG_00/mask.png to masks/IMG_00.png" in text


def test_another_name_of_a_part(tmp_path):
    for part in ("train", "valid", "test"):
        write(tmp_path, f"{part}/{part}{{:02d}}.jpg", f"{part}annot/{part}{{:02d}}.png")
    parts = {"images": "{split}/*", "masks": "{split}annot/*"}
    text = refusal(folder_data(tmp_path, **parts))
    assert "there is no folder val in data.root; did you mean valid?" in text and "data.folder.splits" in text
    report(folder_data(tmp_path, **parts, splits={"train": "train", "val": "valid", "unlabeled": "test"}))


def test_parts_with_folders_of_their_own(tmp_path):
    for part in ("train", "val", "test"):
        write(tmp_path, f"{part}/{part}{{:02d}}.jpg", f"{part}annot/{part}{{:02d}}_L.png")
    parts = {"images": "{split}/*", "masks": "{split}annot/*"}
    text = refusal(folder_data(tmp_path, **parts))
    assert text.count("\n") == 1 and text.count('write `mask_suffix: "_L"`') == 2  # no line for each file
    report(folder_data(tmp_path, **parts, mask_suffix="_L"))
    text = refusal(folder_data(tmp_path, images="{split}/*", masks="{split}/*"))
    assert "trainannot" not in text or "masks: '{split}annot/*'" in text


def test_masks_that_cannot_be_used_do_not_make_their_images_unlabelled(tmp_path):
    write(tmp_path)
    for number in range(4):
        mask = tmp_path / f"masks/IMG_{number:02d}.png"
        if number % 2:
            mask.unlink()
            mask.symlink_to("/nowhere/x.png")
        else:
            mask.rename(mask.with_suffix(".gif"))
    text = refusal(folder_data(tmp_path))
    assert (
        "masks/IMG_00.gif, masks/IMG_02.gif: each has the ending .gif, which is not read; save the mask as PNG" in text
    )
    assert "masks/IMG_01.png, masks/IMG_03.png: each is a link to a file that does not exist; restore the mask" in text
    with pytest.raises(LbtError, match="is a link to a file that does not exist"):  # at the start of a run too
        list_samples(folder_data(tmp_path), "train")
    for path in (tmp_path / "masks").iterdir():
        if path.suffix == ".gif" or path.is_symlink():
            path.unlink()
    assert report(folder_data(tmp_path))["splits"]["unlabeled"]["without_mask"] == 4


def test_unusable_masks_are_named_where_too_few_others_are_left_to_divide(tmp_path):
    write(tmp_path)
    for number in range(9):
        (tmp_path / f"masks/IMG_{number:02d}.png").rename(tmp_path / f"masks/IMG_{number:02d}.gif")
    text = refusal(folder_data(tmp_path))
    assert "(9 in all): each has the ending .gif" in text and text.count("\n") == 0


def test_the_way_out_for_files_beside_the_masks(tmp_path):
    write(tmp_path)
    (tmp_path / "masks/IMG_03.png").rename(tmp_path / "masks/IMG_03.json")
    assert "has the ending .json, which is not read" in refusal(folder_data(tmp_path))
    found = report(folder_data(tmp_path, masks="masks/*.png"))
    assert found["splits"]["unlabeled"]["without_mask"] == 1
    (text,) = [text for text in found["warnings"] if "IMG_03.json" in text]
    assert "1 file(s) beside the masks have the stem of an image without a mask but do not match masks/*.png" in text


def test_a_mask_whose_image_is_a_broken_link(tmp_path):
    write(tmp_path)
    (tmp_path / "photos/IMG_03.jpg").unlink()
    (tmp_path / "photos/IMG_03.jpg").symlink_to("nowhere.jpg")
    text = refusal(folder_data(tmp_path))
    assert text.strip() == "masks/IMG_03.png: has an image that is a broken link: photos/IMG_03.jpg; restore it"


@pytest.mark.parametrize(
    ("name", "images", "said"),
    [
        ("IMG_{:02d}.heic", "photos/*", "whose ending is not read: photos/IMG_03.heic; save it as JPEG or PNG"),
        ("IMG_{:02d}.JP2", "photos/*", "whose ending is not read: photos/IMG_03.JP2; save it as JPEG or PNG"),
        ("IMG_{:02d}.JPG", "photos/*.jpg", "that data.folder.images does not match: photos/IMG_03.JPG; correct it"),
        ("IMG_{:02d}.png", "photos/*.jpg", "that data.folder.images does not match: photos/IMG_03.png; correct it"),
    ],
)
def test_a_mask_whose_image_is_left_out(tmp_path, name, images, said):
    write(tmp_path)
    for number in (3, 5):
        (tmp_path / f"photos/IMG_{number:02d}.jpg").rename(tmp_path / "photos" / name.format(number))
    text = refusal(folder_data(tmp_path, images=images)).strip()
    assert text.startswith("masks/IMG_03.png, masks/IMG_05.png: each has an image ") and text.count("\n") == 0
    (tmp_path / "photos" / name.format(5)).rename(tmp_path / "photos/IMG_05.jpg")
    assert refusal(folder_data(tmp_path, images=images)).strip() == f"masks/IMG_03.png: has an image {said}"


def test_some_masks_of_another_name(tmp_path):
    write(tmp_path)
    for number in (3, 5):
        (tmp_path / f"masks/IMG_{number:02d}.png").rename(tmp_path / f"masks/IMG_{number:02d}_mask.png")
    assert refusal(folder_data(tmp_path)).strip() == (
        "masks/IMG_03_mask.png, masks/IMG_05_mask.png: each has no image of its stem; images without a mask, such as "
        "photos/IMG_03.jpg, differ from such names by '_mask': rename them"
    )


def test_masks_in_a_folder_below_are_pointed_to(tmp_path):
    for part, count in (("train", 6), ("val", 3), ("test", 3)):
        for number in range(count):
            save(tmp_path, f"{part}/{part}{number}.jpg", f"{part}annot/{part}{number}.png")
    (tmp_path / "trainannot/more").mkdir()
    (tmp_path / "trainannot/train3.png").rename(tmp_path / "trainannot/more/train3.png")
    assert refusal(folder_data(tmp_path, images="{split}/*", masks="{split}annot/*")).strip() == (
        "train/train3.jpg: has no label; expected train3 in trainannot/*, which does not reach the folders below it "
        "(trainannot/more)"
    )


def test_a_folder_of_masks_behind_a_broken_link(tmp_path):
    for camera in "ab":
        for number in range(6):
            save(tmp_path, f"photos/{camera}/{number}.jpg", f"masks/{camera}/{number}.png" if camera == "a" else None)
    (tmp_path / "masks/b").symlink_to("/nowhere/b")
    for patterns in ({"images": "photos/**/*", "masks": "masks/**/*"}, {"images": "photos/*/*", "masks": "masks/*/*"}):
        assert refusal(folder_data(tmp_path, **patterns)).strip() == (
            "masks/b: is a link to a folder that does not exist; restore the folder, or remove the link"
        )


def test_one_pattern_for_images_and_masks(tmp_path):
    write(tmp_path)
    text = message(folder_data(tmp_path, masks="photos/*"))
    assert "(10 in all): each is found as an image and as its own mask; name the place or ending" in text


def test_a_mask_whose_image_is_a_pipe(tmp_path):
    write(tmp_path)
    (tmp_path / "photos" / "IMG_03.jpg").unlink()
    os.mkfifo(tmp_path / "photos" / "IMG_03.jpg")
    assert "has an image that is not a regular file: photos/IMG_03.jpg; restore it" in message(folder_data(tmp_path))


def test_a_name_whose_accents_are_encoded_in_two_ways(tmp_path):
    write(tmp_path)
    save(tmp_path, "photos/M\u00fcller.jpg", "masks/Mu\u0308ller.png")
    assert "differ from those of images in the encoding of accents (NFC, NFD)" in message(folder_data(tmp_path))
