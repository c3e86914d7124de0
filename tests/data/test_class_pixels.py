"""Pixels of each class: the counts against a loop over the masks, and the file that holds them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from lbt.data.class_pixels import COLUMNS, ClassPixels, count_class_pixels, read_class_pixels, write_class_pixels
from lbt.data.splits import training_samples
from lbt.errors import LbtError
from lbt.runtime.progress import Progress

NAMES = ("road", "traffic sign")
COUNTED = ClassPixels(torch.tensor([9, 0]), torch.tensor([12, 0]))


def test_the_stage_counts_the_pixels_of_all_training_masks_once(tiny):
    settings, classes = tiny.settings, tiny.classes
    pixels, of_images = np.zeros((2, classes.num_classes), dtype=int)
    samples = training_samples(tiny.split)
    for sample in samples:
        with Image.open(f"{settings.data.root}/{sample.label}") as image:
            mask = np.array(image)
        shown = [int((classes.lut[mask] == index).sum()) for index in range(classes.num_classes)]
        for index, count in enumerate(shown):
            pixels[index] += count
            of_images[index] += sum(shown) if count else 0
    found = read_class_pixels(tiny.class_pixels, classes.names)
    assert found.pixels.tolist() == pixels.tolist() and found.pixels_of_images.tolist() == of_images.tolist()
    assert 0 < pixels.sum() < len(samples) * 61 * 97  # some are ignored


class Masks:
    """Two masks: the first has one pixel of the second class and one that is ignored."""

    table = SimpleNamespace(num_classes=3)
    masks = ([[0, 0, 1], [0, 0, 255]], [[0, 0, 0], [0, 0, 0]])

    def __len__(self):
        return len(self.masks)

    def label(self, index):
        return torch.tensor(self.masks[index], dtype=torch.uint8)


def test_only_images_that_show_a_class_count_for_it():
    with Progress("count", 2) as progress:
        found = count_class_pixels(Masks(), progress)
    assert found.pixels.tolist() == [10, 1, 0] and found.pixels_of_images.tolist() == [11, 5, 0]


def test_the_file_holds_the_counts(tmp_path):
    write_class_pixels(tmp_path / "x.csv", NAMES, COUNTED)
    assert (tmp_path / "x.csv").read_text() == "class,pixels,pixels_of_images\nroad,9,12\ntraffic sign,0,0\n"
    found = read_class_pixels(tmp_path / "x.csv", NAMES)
    assert torch.equal(found.pixels, COUNTED.pixels) and torch.equal(found.pixels_of_images, COUNTED.pixels_of_images)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("road,13,12", "line 2: has 13 pixels of road in images with 12"),
        ("road,-1,12", "line 2: has -1 pixels"),
        ("road,x,12", "line 2"),
        ("sky,9,12", "has the classes sky, traffic sign; these settings have road, traffic sign"),
    ],
)
def test_a_file_with_other_content_is_refused(tmp_path, row, message):
    path = tmp_path / "x.csv"
    path.write_text(f"{','.join(COLUMNS)}\n{row}\ntraffic sign,0,0\n")
    with pytest.raises(LbtError, match=message) as error:
        read_class_pixels(path, NAMES)
    assert "rerun the stage `class_pixels`" in str(error.value)
