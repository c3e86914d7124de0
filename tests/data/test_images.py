"""Image and mask files: what is decoded, and which files are refused."""

import numpy as np
import pytest
from PIL import Image

from lbt.data.images import image_size, read_image, read_mask
from lbt.errors import LbtError


def test_a_png_comes_back_as_written(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), pixels)


def test_a_grey_image_gets_three_equal_channels(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), np.stack([grey] * 3, axis=-1))


def test_a_palette_mask_gives_indices(tmp_path):
    values = np.array([[0, 1], [2, 1]], np.uint8)
    mask = Image.fromarray(values)
    mask.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 200])
    mask.save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png"), values)


@pytest.mark.parametrize("reader", [read_image, read_mask])
@pytest.mark.parametrize("keep", [0, 20, 200])
def test_a_truncated_png_is_named(tmp_path, reader, keep):
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LbtError, match=r"cut\.png: cannot be decoded"):
        reader(path)


def test_a_flipped_bit_in_a_png_is_found(tmp_path):
    path = tmp_path / "bit.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(LbtError, match=r"bit\.png: cannot be decoded"):
        read_image(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LbtError, match=r"none\.png: is missing"):
        read_image(tmp_path / "none.png")


def test_a_colour_mask_and_16_bits_are_refused(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "colour.png")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(LbtError, match=r"mode RGB \(3 channels\).*mask_values: color"):
        read_mask(tmp_path / "colour.png")
    Image.new("1", (4, 4)).save(tmp_path / "bits.png")
    for name, mode in (("deep", "I;16"), ("bits", "1")):  # which hold no colours
        with pytest.raises(LbtError, match=rf"is a mask of mode {mode}; save one channel of 8 bits .* ids\.$"):
            read_mask(tmp_path / f"{name}.png")
    with pytest.raises(LbtError, match="mode I;16"):
        read_image(tmp_path / "deep.png")


def test_the_size_of_an_image_is_read_without_its_pixels(tmp_path):
    path = tmp_path / "image.png"
    Image.effect_noise((300, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    assert image_size(path) == (200, 300)
    path.write_bytes(b"no image")
    with pytest.raises(LbtError, match=r"image\.png: cannot be decoded"):
        image_size(path)
