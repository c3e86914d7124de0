"""The prefix or suffix that a user has to write is found from the names."""

import pytest

from lbt.data.affixes import describe_loose_match, find_affixes

RANGE = range(12)


@pytest.mark.parametrize(
    ("image", "masks", "expected"),
    [
        ("IMG_{:04d}", ["IMG_{:04d}_mask"], {"mask_suffix": "_mask"}),
        ("IMG_{:04d}", ["IMG_{:04d}.jpg"], {"mask_suffix": ".jpg"}),
        ("IMG_{:04d}", ["mask_IMG_{:04d}"], {"mask_prefix": "mask_"}),
        ("img_{:04d}", ["mask_{:04d}"], {"image_prefix": "img", "mask_prefix": "mask"}),
        ("IMG_{:04d}", ["{:04d}"], {"image_prefix": "IMG_"}),
        ("{:03d}_sat", ["{:03d}_mask"], {"image_suffix": "sat", "mask_suffix": "mask"}),
        (
            "I_{:02d}_rgb",
            ["GT_{:02d}_seg"],
            {"image_prefix": "I", "image_suffix": "rgb", "mask_prefix": "GT", "mask_suffix": "seg"},
        ),
        (
            "c_{:06d}_leftImg8bit",
            ["c_{:06d}_gtFine_color", "c_{:06d}_gtFine_labelIds"],
            {"image_suffix": "leftImg8bit", "mask_suffix": "gtFine_labelIds"},
        ),
    ],
)
def test_affixes_are_found(image, masks, expected):
    images = [image.format(number) for number in RANGE]
    found = find_affixes(images, [mask.format(number) for number in RANGE for mask in masks])
    assert {key: value for key, value in found.items() if value} == expected


def test_words_and_a_single_pair():
    assert find_affixes(["cat", "dog"], ["cat_gt", "dog_gt"])["mask_suffix"] == "_gt"
    assert find_affixes(["one"], ["one_mask"])["mask_suffix"] == "_mask"
    assert find_affixes(["cat", "dog", "ox"], ["x", "y", "z"]) is None
    assert find_affixes([], ["a"]) is None


def test_a_prefix_takes_no_digit_of_a_number():
    assert find_affixes([f"a{n}" for n in RANGE], [f"b{n + 100}" for n in RANGE]) is None


@pytest.mark.parametrize(
    ("image", "mask", "what"),
    [
        ("IMG_{}", "img_{}", "upper and lower case"),
        ("{}", "{:04d}", "leading zeros"),
        ("frame {}", "frame-{}", "blanks, hyphens and underscores"),
        ("M\u00fcller {}", "Mu\u0308ller {}", "the encoding of accents"),
        ("img_{:04d}", "mask_{}", "leading zeros, and in their beginning or end"),
    ],
)
def test_names_that_differ_in_spelling(image, mask, what):
    found = describe_loose_match([image.format(n) for n in RANGE], [mask.format(n) for n in RANGE])
    assert found.startswith(what) and image.format(0) in found and mask.format(0) in found


def test_texts_that_differ_in_the_encoding_of_accents_alone_are_no_affixes():
    images, masks = ([text.format(n) for n in RANGE] for text in ("M\u00fcller {}", "Mu\u0308ller {}"))
    assert find_affixes(images, masks) is None


def test_names_without_any_likeness():
    assert describe_loose_match(["a", "b"], ["x", "y"]) is None
