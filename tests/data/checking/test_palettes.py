"""Palettes: the ids of all masks mean the same, or the masks that differ are named."""

from pathlib import Path

import numpy as np
import pytest
from image_pairs import CAR, ROAD, SKY
from PIL import Image

from lbt.config import SplitSettings
from lbt.data.checking.check import examine

PALETTE = np.zeros((256, 3), np.uint8)
PALETTE[[SKY, CAR, ROAD]] = (70, 130, 180), (0, 0, 142), (128, 64, 128)


def masks(data):
    return sorted(Path(data.root).glob("gtFine/train/*/*"))


def give_palette(path, palette, values=None):
    image = Image.fromarray(np.array(Image.open(path)) if values is None else values)
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    image.save(path)


def problems(data):
    found = examine(data, SplitSettings())[1]
    assert all("palette" in problem.alike for problem in found)
    return found


@pytest.fixture
def colored(cityscapes):
    for path in masks(cityscapes):
        give_palette(path, PALETTE)
    return cityscapes


def test_one_palette_for_all_masks_is_fine_also_if_it_is_shorter_or_some_have_none(colored):
    give_palette(masks(colored)[0], PALETTE[: CAR + 1])
    Image.fromarray(np.array(Image.open(masks(colored)[1]))).save(masks(colored)[1])
    unused = PALETTE.copy()
    unused[100:] = 200
    give_palette(masks(colored)[2], unused)
    assert examine(colored, SplitSettings())[1] == []


def test_a_permuted_palette_is_named(colored):
    other = PALETTE.copy()
    other[[CAR, ROAD]] = PALETTE[[ROAD, CAR]]
    give_palette(masks(colored)[3], other)
    (problem,) = problems(colored)
    assert problem.file == masks(colored)[3].relative_to(colored.root).as_posix()
    assert f"has the id {ROAD} in the colour [0, 0, 142], gtFine/" in problem.what
    assert "`data.folder.mask_values: color`" in problem.what


def test_a_colour_with_another_id_is_named_though_no_id_has_two_colours(colored):
    first, second = masks(colored)[:2]
    for path in masks(colored):
        if path not in (first, second):
            give_palette(path, PALETTE, np.full((40, 60), SKY, np.uint8))
    give_palette(first, PALETTE, np.full((40, 60), ROAD, np.uint8))
    other = PALETTE.copy()
    other[CAR] = PALETTE[ROAD]
    give_palette(second, other, np.full((40, 60), CAR, np.uint8))
    (problem,) = problems(colored)
    assert f"has the colour [128, 64, 128] as id {CAR}" in problem.what and f"as id {ROAD}" in problem.what


def test_grey_palettes_are_compared_with_grey_masks(cityscapes):
    grey = np.zeros((256, 3), np.uint8)
    grey[[SKY, CAR, ROAD]] = [[CAR] * 3, [SKY] * 3, [ROAD] * 3]
    path = masks(cityscapes)[0]
    give_palette(path, grey)
    (problem,) = problems(cityscapes)
    assert problem.file == path.relative_to(cityscapes.root).as_posix()
