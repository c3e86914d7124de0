"""Photographs: what is decoded, turned upright and refused, and that every lossless container gives the same pixels."""

import warnings

import numpy as np
import pytest
from PIL import Image
from raw_images import exif, save_marked, write_raw_png, write_raw_tiff

from lbt.data.images import read_facts, read_image, upright_rgb
from lbt.data.masks import read_mask
from lbt.errors import LbtError

PIXELS = np.random.default_rng(1).integers(0, 256, (7, 9, 3), dtype=np.uint8)


def containers(folder, pixels):
    """The same pixels in every lossless container."""
    image = Image.fromarray(pixels)
    ways = {
        "plain.png": {},
        "interlaced.png": {"interlace": 1},
        "a.bmp": {},
        "a.webp": {"lossless": True},
        "a.tif": {},
        "lzw.tif": {"compression": "tiff_lzw"},
        "zip.tif": {"compression": "tiff_adobe_deflate"},
        "packbits.tif": {"compression": "packbits"},
        "big.tif": {"big_tiff": True},
        "a.ppm": {},
    }
    for name, options in ways.items():
        image.save(folder / name, **options)
    opaque = image.convert("RGBA")
    for name in ("alpha.png", "alpha.webp", "alpha.tif", "alpha.bmp"):
        opaque.save(folder / name, **{"lossless": True} if name.endswith("webp") else {})
    image.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(folder / "palette.png")
    (folder / "png-named.jpg").write_bytes((folder / "plain.png").read_bytes())
    return sorted(folder.iterdir())


def test_every_lossless_container_gives_the_same_pixels(tmp_path):
    found = containers(tmp_path, PIXELS)
    assert len(found) == 16
    for path in found:
        assert np.array_equal(read_image(path), PIXELS), path.name
        assert np.array_equal(upright_rgb(Image.open(path)), PIXELS), path.name


@pytest.mark.parametrize("ending", ["png", "late", "webp", "tif", "jpg", "xmp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_marked_photograph_is_turned_upright(tmp_path, ending, orientation):
    smooth = np.add.outer(np.arange(7) * 20, np.arange(9) * 12)[..., None].repeat(3, axis=2).astype(np.uint8)
    upright = {
        1: smooth,
        2: smooth[:, ::-1],
        3: smooth[::-1, ::-1],
        4: smooth[::-1],
        5: smooth.swapaxes(0, 1),
        6: np.rot90(smooth, -1),
        7: smooth[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(smooth),
    }[orientation]
    path = save_marked(tmp_path / f"a.{ending}", smooth, orientation)
    found = read_image(path)
    assert found.shape == upright.shape and np.abs(found.astype(int) - upright).max() <= 3
    assert found.shape[:2] == read_facts(path).size
    if ending != "late":
        assert np.array_equal(upright_rgb(Image.open(path)), found)


def test_grey_black_and_white_cmyk_and_few_bits_become_red_green_and_blue(tmp_path):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), np.stack([grey] * 3, axis=-1))
    Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1").save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[0] * 3, [255] * 3]]
    for depth, white in ((1, 1), (2, 3), (4, 15)):
        write_raw_png(tmp_path / "a.png", np.array([[0, 1, white]]), depth, 0)
        assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 255 // white, 255]
    for name in ("a.jpg", "a.tif"):
        Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / name)
        assert np.abs(read_image(tmp_path / name).astype(int) - (255, 0, 0)).max() <= 3


def test_transparency_is_dropped_without_a_warning(tmp_path):
    image = Image.fromarray(PIXELS).quantize(20)
    image.save(tmp_path / "a.png", transparency=bytes(range(20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_image(tmp_path / "a.png"), np.array(image.convert("RGB")))


DEEP = {
    "grey.png": "mode I;16 with 16 bits",
    "color.png": "mode RGB with 16 bits",
    "color.tif": "mode RGB with 16 bits",
    "color.ppm": "mode RGB with 16 bits",
    "float.tif": "mode F with 32 bits",
    "signed.tif": "mode L with signed values",
    "integer.tif": "mode I with signed values",
}


@pytest.fixture
def deep(tmp_path):
    """Files of more than 8 bits, some of which Pillow would cut to 8 bits in silence."""
    values = np.arange(4 * 6).reshape(4, 6)
    colors = np.dstack([values] * 3) * 257
    write_raw_png(tmp_path / "grey.png", values, 16, 0)
    write_raw_png(tmp_path / "color.png", colors, 16, 2)
    (tmp_path / "color.ppm").write_bytes(b"P6\n6 4\n65535\n" + colors.astype(">u2").tobytes())
    Image.fromarray(values.astype(np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(values.astype(np.int32)).save(tmp_path / "integer.tif")
    write_raw_tiff(tmp_path / "signed.tif", values, 8, t339=2)
    write_raw_tiff(tmp_path / "color.tif", colors, 16)
    return tmp_path


@pytest.mark.parametrize(("name", "message"), DEEP.items())
def test_more_than_8_bits_are_refused_and_never_cut(deep, name, message):
    with pytest.raises(LbtError, match=rf"{name}: is an image of {message}.*; save it with 8 bits a channel"):
        read_image(deep / name)


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


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_the_facts_of_an_image_are_read_without_its_pixels(tmp_path, mode):
    path = tmp_path / "image.png"
    Image.effect_noise((300, 200), 50).convert(mode).save(path, exif=exif(6))
    path.write_bytes(path.read_bytes()[:2000])
    assert read_facts(path).size == (300, 200) and read_facts(path).stored == (200, 300)
    path.write_bytes(b"no image")
    with pytest.raises(LbtError, match=r"image\.png: cannot be decoded"):
        read_facts(path)
