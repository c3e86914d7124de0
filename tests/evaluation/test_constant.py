"""The constant prediction: the most frequent class of training, scored on the held-out masks."""

import numpy as np
import pytest
from PIL import Image
from stage_calls import call_stage

from lbt.data.class_pixels import ClassPixels, read_class_pixels, write_class_pixels
from lbt.data.splits import read_split
from lbt.files import read_json


@pytest.fixture
def constant(tiny, tmp_path):
    def run(counted):
        call_stage(
            "evaluate_constant", tiny.settings, split=tiny.split, class_pixels=counted, scores=tmp_path / "x.json"
        )
        return read_json(tmp_path / "x.json")

    return run


def test_a_class_scores_its_share_of_the_held_out_pixels(constant, tiny):
    found, names = constant(tiny.class_pixels), tiny.classes.names
    counts = np.zeros(len(names), dtype=int)
    for sample in read_split(tiny.split, "evaluation"):
        with Image.open(f"{tiny.settings.data.root}/{sample.label}") as image:
            counts += [int((tiny.classes.lut[np.array(image)] == index).sum()) for index in range(len(names))]
    frequent = int(read_class_pixels(tiny.class_pixels, names).pixels.argmax())
    share = counts[frequent] / counts.sum()
    assert found["class"] == names[frequent] and found["pixel_accuracy"] == pytest.approx(share)
    assert found["iou"] == {name: pytest.approx(share * (name == names[frequent])) for name in names}


def test_the_class_is_that_of_the_counts(constant, tiny, tmp_path):
    counted = read_class_pixels(tiny.class_pixels, tiny.classes.names)
    rare = int(counted.pixels.argmin())
    pixels = counted.pixels.clone()
    pixels[rare] = pixels.max() + 1
    write_class_pixels(tmp_path / "y.csv", tiny.classes.names, ClassPixels(pixels, pixels * 2))
    assert constant(tmp_path / "y.csv")["class"] == tiny.classes.names[rare]
