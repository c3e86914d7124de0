"""Images and masks belong together by stem, and by folder where several images have one stem."""

import pytest
from own_folder import folder_data, refusal, report, save

from lbt.data.layouts import list_samples, scan
from lbt.errors import LbtError


def pairs(data) -> dict[str, str | None]:
    splits = ("train", "val", "unlabeled")
    return {sample.image: sample.label for split in splits for sample in list_samples(data, split)}


@pytest.mark.parametrize(
    ("images", "masks", "patterns"),
    [
        ("photos/{}/{}.jpg", "masks/{}/{}.png", ("photos/**/*", "masks/**/*")),
        ("photos/{}/{}.jpg", "masks/{}/{}.png", ("photos/*/*", "masks/*/*")),
        ("{}/photos/{}.jpg", "{}/masks/{}.png", ("*/photos/*", "*/masks/*")),
        ("photos/{}/rgb/{}.jpg", "masks/{}/seg/{}.png", ("photos/**/*", "masks/**/*")),
        ("{}/{}.jpg", "{}/{}_mask.png", ("*/*", "*/*")),
    ],
)
def test_equal_names_in_the_folders_of_several_cameras(tmp_path, images, masks, patterns):
    for camera in "ab":
        for number in range(6):
            save(tmp_path, images.format(camera, number), masks.format(camera, number))
    suffix = "_mask" if "_mask" in masks else ""
    data = folder_data(tmp_path, images=patterns[0], masks=patterns[1], mask_suffix=suffix, unlabeled_share=0.0)
    found = pairs(data.model_copy(update={"folder": data.folder.model_copy(update={"unlabeled_share": 0.0})}))
    expected = {images.format(c, n): masks.format(c, n) for c in "ab" for n in range(6)}
    assert {image: label for image, label in found.items() if label is not None} == expected


def test_ids_stay_unique_and_an_image_without_a_mask_in_its_folder_is_unlabelled(tmp_path):
    for camera in "ab":
        for number in range(6):
            mask = None if (camera, number) == ("b", 3) else f"masks/{camera}/{number}.png"
            save(tmp_path, f"photos/{camera}/{number}.jpg", mask)
    data = folder_data(tmp_path, images="photos/**/*", masks="masks/**/*", unlabeled_share=0.0)
    assert [sample.id for sample in list_samples(data, "unlabeled")] == ["photos/b/3"]
    assert len({sample.id for split in ("train", "val") for sample in list_samples(data, split)}) == 11


def test_masks_without_folders_belong_to_nested_images_of_other_stems(tmp_path):
    for number in range(6):
        save(tmp_path, f"photos/{'ab'[number % 2]}/{number}.jpg", f"masks/{number}.png")
    data = folder_data(tmp_path, images="photos/**/*", unlabeled_share=0.0)
    assert pairs(data) == {f"photos/{'ab'[n % 2]}/{n}.jpg": f"masks/{n}.png" for n in range(6)}


def test_one_mask_for_two_images_is_refused(tmp_path):
    for number in range(6):
        for camera in "ab":
            save(tmp_path, f"photos/{camera}/{number}.jpg", f"masks/{number}.png")
    problems = scan(folder_data(tmp_path, images="photos/**/*"), "train")[1]
    assert len(problems) == 12
    assert (
        "shares its stem, and the mask masks/0.png, with photos/b/0.jpg; put the masks into folders" in problems[0].what
    )


def test_two_masks_of_one_image(tmp_path):
    for number in range(6):
        save(tmp_path, f"photos/a/{number}.jpg", f"masks/a/{number}.png")
    save(tmp_path, "photos/a/0.jpg", "masks/b/0.png")
    data = folder_data(tmp_path, images="photos/**/*", masks="masks/**/*", unlabeled_share=0.0)
    assert pairs(data)["photos/a/0.jpg"] == "masks/a/0.png"
    assert "masks/b/0.png: has no image of the stem 0" in refusal(data)
    save(tmp_path, "photos/a/0.jpg", "masks/a/0.bmp")
    assert "photos/a/0.jpg: has 2 labels: masks/a/0.bmp, masks/a/0.png" in refusal(data)


def test_prefixes_and_suffixes_of_both(tmp_path):
    for number in range(6):
        save(tmp_path, f"all/img_{number}_sat.jpg", f"all/gt_{number}_mask.png")
    save(tmp_path, "all/other.jpg")
    affixes = {"image_prefix": "img_", "image_suffix": "_sat", "mask_prefix": "gt_", "mask_suffix": "_mask"}
    data = folder_data(tmp_path, images="all/*", masks="all/*", unlabeled_share=0.0, **affixes)
    found = {sample.image: sample.label for split in ("train", "val") for sample in scan(data, split)[0]}
    assert found == {f"all/img_{n}_sat.jpg": f"all/gt_{n}_mask.png" for n in range(6)}


def test_images_and_masks_of_one_pattern_are_told_apart_by_their_endings(tmp_path):
    for number in range(10):
        save(tmp_path, f"all/{number}.jpg", f"all/{number}.png")
    assert "name the endings in data.folder.images and data.folder.masks" in refusal(
        folder_data(tmp_path, images="all/*", masks="all/*")
    )
    found = report(folder_data(tmp_path, images="all/*.jpg", masks="all/*.png"))
    assert found["files"] == [
        {"folder": "all", "found": 20, "used": 16, "unlabelled": 2, "left_out": {"mask of an unlabelled image": 2}}
    ]


def test_an_expression_with_a_slash_groups_by_folder(tmp_path):
    for camera in "abcd":
        for number in range(3):
            save(tmp_path, f"photos/{camera}/{number}.jpg", f"masks/{camera}/{number}.png")
    data = folder_data(tmp_path, images="photos/**/*", masks="masks/**/*", group="^(.*)/")
    assert {sample.group for sample in list_samples(data, "train")} < {f"photos/{camera}" for camera in "abcd"}
    stems = folder_data(tmp_path, images="photos/**/*", masks="masks/**/*")
    assert {sample.group for split in ("train", "val", "unlabeled") for sample in list_samples(stems, split)} == set(
        "012"
    )
    with pytest.raises(LbtError, match="a group stays whole"):
        report(folder_data(tmp_path, images="photos/**/*", masks="masks/**/*", group="^(photos)/"))
