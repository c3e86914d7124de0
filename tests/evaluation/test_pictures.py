"""Pictures of a scored network: panels in the classes' colours, and labels with a palette."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from lbt.data.classes import IGNORE, ClassTable
from lbt.evaluation.pictures import write_labels, write_picture

COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142))
TABLE = ClassTable(("road", "sky", "car"), COLORS, np.arange(256, dtype=np.uint8), frozenset({0, 1, 2, IGNORE}))


def test_labels_hold_the_classes_and_show_their_colours(tmp_path):
    labels = torch.tensor([[0, 1], [2, 0]])
    write_labels(tmp_path / "a.png", labels, TABLE)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "P" and np.array(image).tolist() == labels.tolist()
        assert np.array(image.convert("RGB")).tolist() == np.array(COLORS)[labels.numpy()].tolist()


def test_ignored_pixels_are_black_in_truth_and_prediction(tmp_path):
    truth, prediction = torch.tensor([[0, IGNORE], [1, 2]]), torch.tensor([[2, 1], [1, 0]])
    image = np.full((2, 2, 3), (9, 8, 7), np.uint8)
    write_picture(tmp_path / "a.png", image, truth, prediction, TABLE)
    picture = np.array(Image.open(tmp_path / "a.png"))
    side = 320  # two pixels, each enlarged by 160
    lefts = [8 + i * (side + 8) for i in range(3)]
    panels = [picture[22 : 22 + side, left : left + side][80::160, 80::160].tolist() for left in lefts]
    road, sky, car, black = *(list(color) for color in COLORS), [0, 0, 0]
    assert panels == [[[[9, 8, 7]] * 2] * 2, [[road, black], [sky, car]], [[car, black], [sky, road]]]


def test_a_class_whose_name_no_font_has_is_spelt_out(tmp_path):
    labels, image = torch.zeros(2, 2, dtype=torch.long), np.zeros((2, 2, 3), np.uint8)
    for name, classes in (("a", ("路", "straße", "car")), ("b", (r"\u8def", "straße", "car"))):
        write_picture(tmp_path / f"{name}.png", image, labels, labels, replace(TABLE, names=classes))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
