"""Label maps as images: values, palettes and the legend."""

import numpy as np
from PIL import Image

from lbt.data.classes import IGNORE
from lbt.data.label_images import color_labels, label_image, label_palette, legend_image, overlay_image

COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142))
LABELS = np.array([[0, 1, 2], [2, 2, 0]])


def test_the_palette_has_the_classes_and_then_black():
    palette = label_palette(COLORS)
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert palette[:3].tolist() == [list(color) for color in COLORS] and not palette[3:].any()
    assert color_labels(np.array([[1, IGNORE]]), COLORS).tolist() == [[[70, 130, 180], [0, 0, 0]]]


def test_a_label_image_keeps_the_values_and_shows_the_colours(tmp_path):
    for colors in (COLORS, label_palette(COLORS)):
        label_image(LABELS, colors).save(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            assert image.mode == "P" and np.array_equal(np.array(image), LABELS)
            assert np.array_equal(np.array(image.convert("RGB")), np.array(COLORS)[LABELS])


def test_an_overlay_blends_photograph_and_colours():
    pixels = np.full((2, 3, 3), 200, np.uint8)
    for opacity in (0.0, 0.25, 1.0):
        expected = (1 - opacity) * pixels + opacity * np.array(COLORS)[LABELS]
        assert np.abs(np.array(overlay_image(pixels, LABELS, COLORS, opacity)) - expected).max() <= 1


def test_the_legend_has_a_line_of_24_pixels_for_each_class():
    legend = np.array(legend_image(("road", "sky", "car"), COLORS))
    assert legend.shape[0] == 10 + 3 * 24 + 10
    for index, color in enumerate(COLORS):
        middle = 10 + 24 * index + 11
        assert (legend[middle - 5 : middle + 5, 14:34] == color).all()
        assert (legend[middle - 5 : middle + 5, 50:] < 100).any()  # its name
