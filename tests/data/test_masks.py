"""Masks: ids and colours as they were drawn, or a refusal that says why the file cannot promise them."""

import warnings

import numpy as np
import pytest
from PIL import Image
from raw_images import chunk, save_marked, write_raw_png, write_raw_tiff

from lbt.data.classes import IGNORE
from lbt.data.masks import UnknownColors, read_mask
from lbt.errors import LbtError

VALUES = np.random.default_rng(2).integers(0, 3, (7, 9), dtype=np.uint8)
COLORS = np.array([(9, 9, 9), (0, 200, 0), (0, 0, 200)], np.uint8)
CODES = {(9, 9, 9): 0, (0, 200, 0): 1, (0, 0, 200): IGNORE}


def ids(path):
    return read_mask(path)[0]


def colors(path, codes=CODES):
    return read_mask(path, codes)[0]


def palette_image(values, palette):
    image = Image.fromarray(values)
    image.putpalette(palette.tobytes())
    return image


def test_ids_are_read_from_every_lossless_container(tmp_path):
    grey, indexed = Image.fromarray(VALUES), palette_image(VALUES, COLORS)
    for name in ("grey.png", "grey.bmp", "grey.tif", "grey.ppm"):
        grey.save(tmp_path / name)
    grey.save(tmp_path / "lzw.tif", compression="tiff_lzw")
    for name in ("palette.png", "palette.bmp", "palette.tif"):
        indexed.save(tmp_path / name)
    indexed.save(tmp_path / "transparent.png", transparency=0)
    write_raw_png(tmp_path / "deep.png", VALUES, 16, 0)
    Image.fromarray(VALUES.astype(np.int32)).save(tmp_path / "integer.tif")
    for depth in (2, 4, 8):
        write_raw_png(tmp_path / f"palette-{depth}.png", VALUES, depth, 3, before=chunk(b"PLTE", COLORS.tobytes()))
    found = sorted(tmp_path.iterdir())
    assert len(found) == 14
    for path in found:
        mask = ids(path)
        assert mask.dtype == np.uint8 and np.array_equal(mask, VALUES), path.name


def test_colours_are_read_from_every_lossless_container(tmp_path):
    drawn = Image.fromarray(COLORS[VALUES])
    for name, options in {"a.png": {}, "a.bmp": {}, "a.tif": {}, "a.ppm": {}, "a.webp": {"lossless": True}}.items():
        drawn.save(tmp_path / name, **options)
    drawn.convert("RGBA").save(tmp_path / "alpha.png")
    palette_image(VALUES, COLORS).save(tmp_path / "palette.png", transparency=bytes([0, 9, 255]))
    palette_image(2 - VALUES, COLORS[::-1]).save(tmp_path / "other-palette.png")
    found = sorted(tmp_path.iterdir())
    assert len(found) == 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in found:
            assert np.array_equal(colors(path), np.array([0, 1, IGNORE], np.uint8)[VALUES]), path.name


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_black_and_white_masks_are_read_as_ids_and_as_colours(tmp_path, ending):
    drawn = VALUES == 1
    Image.fromarray(drawn).save(tmp_path / f"a.{ending}")
    assert np.array_equal(ids(tmp_path / f"a.{ending}"), drawn.astype(np.uint8))
    codes = {(0, 0, 0): 4, (255, 255, 255): 7}
    assert np.array_equal(colors(tmp_path / f"a.{ending}", codes), np.where(drawn, 7, 4))


@pytest.mark.parametrize("reader", [ids, colors])
def test_lossy_masks_are_refused_whatever_their_ending(tmp_path, reader):
    image = Image.fromarray(COLORS[VALUES])
    image.save(tmp_path / "a.jpg", quality=100)
    (tmp_path / "jpeg-named.png").write_bytes((tmp_path / "a.jpg").read_bytes())
    image.save(tmp_path / "phone.jpg", "MPO", save_all=True, append_images=[image])
    image.save(tmp_path / "a.webp")
    image.convert("RGBA").save(tmp_path / "b.webp", icc_profile=b"a profile")  # the extended form
    image.save(tmp_path / "a.tif", compression="jpeg")
    found = sorted(tmp_path.iterdir())
    assert len(found) == 6
    for path in found:
        with pytest.raises(LbtError, match=r"in a format that changes values \((JPEG|lossy WebP|JPEG in TIFF)\)"):
            reader(path)


@pytest.mark.parametrize("reader", [ids, colors])
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_mask_that_is_marked_as_turned_is_refused(tmp_path, reader, ending):
    path = save_marked(tmp_path / f"a.{ending}", COLORS[VALUES], 3)
    with pytest.raises(LbtError, match=r"itself marked as turned \(EXIF orientation 3\)"):
        reader(path)


def test_ids_that_could_also_be_shades_are_refused(tmp_path):
    for depth, white in ((2, 3), (4, 15)):
        path = write_raw_png(tmp_path / "a.png", VALUES, depth, 0)
        with pytest.raises(LbtError, match=rf"is a grey mask whose white is {white} instead of 255"):
            ids(path)
    (tmp_path / "a.ppm").write_bytes(b"P5\n9 7\n2\n" + VALUES.tobytes())
    with pytest.raises(LbtError, match="is a grey mask whose white is 2 instead of 255"):
        ids(tmp_path / "a.ppm")
    for inverted in (VALUES, 255 - VALUES):
        write_raw_tiff(tmp_path / "a.tif", inverted, 8, t262=0)
        with pytest.raises(LbtError, match="whose value 0 is white"):
            ids(tmp_path / "a.tif")
    write_raw_tiff(tmp_path / "a.tif", VALUES, 8, t339=2)
    with pytest.raises(LbtError, match="is a mask with signed values"):
        ids(tmp_path / "a.tif")


def test_ids_outside_a_byte_are_named(tmp_path):
    write_raw_png(tmp_path / "a.png", VALUES.astype(int) * 150, 16, 0)
    with pytest.raises(LbtError, match="holds the value 300; ids go from 0 to 255"):
        ids(tmp_path / "a.png")
    Image.fromarray(VALUES.astype(np.int32) - 1).save(tmp_path / "a.tif")
    with pytest.raises(LbtError, match="holds the value -1; ids go from 0 to 255"):
        ids(tmp_path / "a.tif")


def test_colours_and_floats_are_no_ids(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(LbtError, match=r"mode RGB \(3 channels\).*mask_values: color"):
        ids(tmp_path / "a.png")
    Image.new("LA", (4, 4)).save(tmp_path / "a.png")
    Image.fromarray(VALUES.astype(np.float32)).save(tmp_path / "a.tif")
    for name, mode in (("a.png", r"LA \(2 channels\)"), ("a.tif", "F")):  # which hold no colours
        with pytest.raises(LbtError, match=rf"is a mask of mode {mode}; save one channel of 8 bits .* ids\.$"):
            ids(tmp_path / name)


def test_deep_colours_are_refused(tmp_path):
    write_raw_png(tmp_path / "a.png", COLORS[VALUES].astype(int) * 257, 16, 2)
    with pytest.raises(LbtError, match="is a mask of mode RGB with 16 bits a channel; save red, green and blue"):
        colors(tmp_path / "a.png")
    write_raw_png(tmp_path / "a.png", VALUES, 16, 0)
    with pytest.raises(LbtError, match="is a mask of mode I;16; save red, green and blue with 8 bits each"):
        colors(tmp_path / "a.png")


def test_unknown_colours_are_counted(tmp_path):
    Image.fromarray(COLORS[VALUES]).save(tmp_path / "a.png")
    with pytest.raises(UnknownColors, match=r"colours outside the table: \[0, 0, 200\]") as caught:
        colors(tmp_path / "a.png", {(9, 9, 9): 0, (0, 200, 0): 1})
    assert caught.value.counts == {(0, 0, 200): (VALUES == 2).sum()}


def test_erased_pixels_of_a_class_are_refused_and_a_clear_background_is_read(tmp_path):
    drawn = np.dstack([COLORS[VALUES], np.where(VALUES == 0, 0, 255)]).astype(np.uint8)
    Image.fromarray(drawn).save(tmp_path / "a.png")
    assert np.array_equal(colors(tmp_path / "a.png"), np.array([0, 1, IGNORE])[VALUES])
    for value, refused in ((1, True), (2, False)):  # class 1 and ignored pixels
        erased = drawn.copy()
        row, column = np.argwhere(value == VALUES)[0]
        erased[row, column, 3] = 0
        Image.fromarray(erased).save(tmp_path / "a.png")
        if refused:
            with pytest.raises(LbtError, match="transparent pixels whose class also has opaque ones"):
                colors(tmp_path / "a.png")
        else:
            colors(tmp_path / "a.png")
