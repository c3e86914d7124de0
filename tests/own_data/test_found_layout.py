"""Patterns for the ways in which photographs and masks lie in folders."""

import pytest
from pictures import names, save_mask, save_pairs, save_photo

from lbt.config import FolderSettings
from lbt.data.layouts import list_samples
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.own_data.layout import find_layout

TEN = names(10)


def pairs_of(layout):
    """The pairs that the folder layout finds with the proposed patterns, which must be those of the proposal."""
    from lbt.config import ClassSettings, DataSettings

    classes = tuple(ClassSettings(name=str(n), id=n, color=(n, n, n)) for n in range(2))
    folder = FolderSettings.model_validate({**layout.patterns, "classes": classes, "group": "^(.*)$"})
    data = DataSettings(layout="folder", root=str(layout.root), folder=folder)
    found: list[Sample] = [s for split in ("train", "val", "unlabeled") for s in list_samples(data, split)]
    return {(sample.image, sample.label) for sample in found if sample.label}, {sample.image for sample in found}


CASES = {
    "two folders": (["photos/{}.jpg"], ["masks/{}.png"], {"images": "photos/*", "masks": "masks/*"}),
    "a suffix": (["photos/{}.jpg"], ["masks/{}_mask.png"], {"mask_suffix": "_mask"}),
    "a prefix": (["photos/img-{}.jpg"], ["masks/gt-{}.png"], {"image_prefix": "img", "mask_prefix": "gt"}),
    "two suffixes": (["photos/{}_rgb.png"], ["masks/{}_label.png"], {"image_suffix": "rgb", "mask_suffix": "label"}),
    "several cameras": (
        ["photos/a/{}.jpg", "photos/b/{}.jpg"],
        ["masks/a/{}.png", "masks/b/{}.png"],
        {"images": "photos/**/*"},
    ),
    "blanks and accents": (["meine Fotos é/{} ü.jpg"], ["Masken [1]/{} ü.png"], {"masks": "Masken [[]1]/*"}),
    "masks below photographs": (["photos/{}.jpg"], ["photos/masks/{}.png"], {"images": "*", "masks": "masks/*"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_layout_is_found(tmp_path, case):
    photos, masks, wanted = CASES[case]
    for photo, mask in zip(photos, masks, strict=True):
        save_pairs(tmp_path, TEN, photo, mask)
    places = [tmp_path / pattern.split("/{}")[0].removesuffix("/a") for pattern in (photos[0], masks[0])]
    layout = find_layout(*(place if place.is_dir() else place.parent for place in places))
    assert wanted.items() <= layout.patterns.items()
    assert len(layout.labelled) == 10 * len(photos) and not layout.unlabelled and not layout.notes
    assert pairs_of(layout)[0] <= set(layout.labelled) and len(pairs_of(layout)[1]) == len(layout.labelled)


SAME = {
    "endings": ("{}.jpg", "{}.png", {"images": "*.jpg", "masks": "*.png"}),
    "a word": ("{}.png", "{}_mask.png", {"mask_suffix": "_mask"}),
    "two words": ("{}_rgb.png", "{}_gt.png", {"image_suffix": "rgb", "mask_suffix": "gt"}),
    "any suffix": ("{}.png", "{}_L.png", {"mask_suffix": "_L"}),
    "folders": ("images/{}.jpg", "labels/{}.png", {"images": "images/*", "masks": "labels/*"}),
}


@pytest.mark.parametrize("case", SAME)
def test_both_in_one_folder(tmp_path, case):
    photo, mask, wanted = SAME[case]
    save_pairs(tmp_path, TEN, photo, mask)
    save_photo(tmp_path / photo.format("lonely"))
    layout = find_layout(tmp_path, tmp_path)
    assert wanted.items() <= layout.patterns.items()
    assert len(layout.labelled) == 10 and layout.unlabelled == [photo.format("lonely")]
    assert len(pairs_of(layout)[1]) == 11


def divide(root, photo, mask, parts=("train", "val", "test"), labelled=("train", "val")):
    for part in parts:
        for name in names(4, part + "{}"):
            save_photo(root / photo.format(part=part, name=name))
            if part in labelled:
                save_mask(root / mask.format(part=part, name=name))


PARTS = {
    "below": ("photos/{part}/{name}.jpg", "masks/{part}/{name}.png", "photos/{split}/*", "masks/{split}/*"),
    "above": ("{part}/images/{name}.jpg", "{part}/masks/{name}.png", "{split}/images/*", "{split}/masks/*"),
    "in the names": ("{part}/{name}.jpg", "{part}annot/{name}.png", "{split}/*", "{split}annot/*"),
    "one folder of masks": ("photos/{part}/{name}.jpg", "masks/{name}.png", "photos/{split}/*", "masks/*"),
    "cities": (
        "img/{part}/ulm/x/{name}.jpg",
        "gt/{part}/ulm/x/{name}_gt.png",
        "img/{split}/ulm/x/*",
        "gt/{split}/ulm/x/*",
    ),
}


@pytest.mark.parametrize("case", PARTS)
def test_the_users_parts_are_kept(tmp_path, case):
    photo, mask, images, masks = PARTS[case]
    divide(tmp_path, photo, mask)
    together = photo.split("/")[0] == "{part}"
    layout = find_layout(*([tmp_path] * 2 if together else [tmp_path / p.split("/")[0] for p in (photo, mask)]))
    assert layout.has_parts and not layout.notes
    assert (layout.patterns["images"], layout.patterns["masks"]) == (images, masks)
    assert layout.patterns["splits"] == {"train": "train", "val": "val", "unlabeled": "test"}
    assert len(layout.labelled) == 8 and len(layout.unlabelled) == 4 and len(pairs_of(layout)[1]) == 12


def test_parts_that_are_not_complete_are_divided_anew_with_a_word(tmp_path):
    divide(tmp_path, "photos/{part}/{name}.jpg", "masks/{part}/{name}.png", parts=("train", "val"))
    layout = find_layout(tmp_path / "photos", tmp_path / "masks")
    assert not layout.has_parts and "train, val are not kept" in layout.notes[0]
    assert layout.patterns["images"] == "photos/**/*" and len(layout.labelled) == 8


def test_photographs_of_training_without_a_mask_are_named(tmp_path):
    divide(tmp_path, "photos/{part}/{name}.jpg", "masks/{part}/{name}.png")
    save_photo(tmp_path / "photos/train/late.jpg")
    layout = find_layout(tmp_path / "photos", tmp_path / "masks")
    assert not layout.has_parts and "photos/train/late.jpg" in layout.notes[0]
    assert len(layout.labelled) == 8 and len(layout.unlabelled) == 5


def test_what_cannot_be_used_is_refused(tmp_path):
    save_pairs(tmp_path, TEN)
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("a")
    for photos, masks, said in (
        ("nowhere", "masks", "PHOTOS: .*nowhere does not exist"),
        ("photos", "masks/IMG_0000.png", "MASKS: .*IMG_0000.png is a file"),
        ("empty", "masks", "empty: holds no photograph"),
        ("photos", "words", "words: holds no mask"),
        ("photos", "photos", "cannot be told apart"),
    ):
        with pytest.raises(LbtError, match=said):
            find_layout(tmp_path / photos, tmp_path / masks)


def test_names_that_do_not_pair_are_shown(tmp_path):
    for number in range(5):
        save_photo(tmp_path / "photos" / f"street{number}.jpg")
        save_mask(tmp_path / "masks" / f"drawn-{9 - number}x.png")
    with pytest.raises(LbtError, match=r"photographs are named street0.jpg.*masks drawn-5x.png"):
        find_layout(tmp_path / "photos", tmp_path / "masks")


def test_a_name_that_is_no_text_is_refused(tmp_path):
    save_pairs(tmp_path / "a\udcff", TEN)
    with pytest.raises(LbtError, match="not UTF-8"):
        find_layout(tmp_path / "a\udcff" / "photos", tmp_path / "a\udcff" / "masks")
