"""Kinds of masks, their values, and files that are refused with the reason."""

import pytest
from pictures import SIZE, names, save_mask, save_pairs, save_photo, stripes
from PIL import Image

from lbt.errors import LbtError
from lbt.own_data import survey as surveys
from lbt.own_data.survey import read_survey

PALETTE = [0, 0, 0, 128, 64, 128, 0, 0, 142]
RED, BLUE = (255, 0, 0), (0, 0, 255)


def pairs(count):
    return [(f"photos/{name}.jpg", f"masks/{name}.png") for name in names(count)]


def rewrite(root, change, count=4, ending="png"):
    """Replace masks by what `change` makes of their values."""
    for name in names(count):
        change(stripes((0, 1, 2))).save(root / "masks" / f"{name}.{ending}")


def with_palette(values, palette=PALETTE):
    image = Image.fromarray(values, "P")
    image.putpalette(palette)
    return image


def test_ids_of_grey_masks(tmp_path):
    found = read_survey(save_pairs(tmp_path, names(3)), pairs(3))
    assert found.mask_values == "id" and not found.palette and not found.is_sample
    assert found.pixels() == {0: 3 * 22 * 48, 1: 3 * 21 * 48, 2: 3 * 21 * 48}
    assert found.usual_size == found.smallest == SIZE


def test_a_palette_gives_ids_and_colours(tmp_path):
    save_pairs(tmp_path, names(4))
    rewrite(tmp_path, with_palette)
    found = read_survey(tmp_path, pairs(4))
    assert found.mask_values == "id" and found.palette == {0: (0, 0, 0), 1: (128, 64, 128), 2: (0, 0, 142)}


def test_palettes_that_contradict_each_other_are_read_by_colour(tmp_path):
    save_pairs(tmp_path, names(4))
    rewrite(tmp_path, with_palette)
    with_palette(2 - stripes((0, 1, 2)), PALETTE[6:] + PALETTE[3:6] + PALETTE[:3]).save(tmp_path / "masks/IMG_0001.png")
    found = read_survey(tmp_path, pairs(4))
    assert found.mask_values == "color" and set(found.pixels()) == {(0, 0, 0), (128, 64, 128), (0, 0, 142)}
    assert len(set(map(str, found.counts.values()))) <= 2


def test_colours(tmp_path):
    found = read_survey(save_pairs(tmp_path, names(2), values=(RED, BLUE)), pairs(2))
    assert found.mask_values == "color" and found.pixels() == {RED: 2 * 32 * 48, BLUE: 2 * 32 * 48}


def test_one_bit_masks_are_ids(tmp_path):
    save_pairs(tmp_path, names(4))
    rewrite(tmp_path, lambda values: Image.fromarray((values > 0).astype("uint8") * 255).convert("1"))
    assert set(read_survey(tmp_path, pairs(4)).pixels()) == {0, 1}


def test_a_sample_is_even(tmp_path, monkeypatch):
    save_pairs(tmp_path, names(6))
    monkeypatch.setattr(surveys, "_PIXELS", 0)
    monkeypatch.setattr(surveys, "_FEWEST", 3)
    found = read_survey(tmp_path, pairs(6))
    assert found.is_sample and found.masks == 6
    assert list(found.counts) == ["photos/IMG_0000.jpg", "photos/IMG_0002.jpg", "photos/IMG_0004.jpg"]


def test_sizes_may_differ(tmp_path):
    save_pairs(tmp_path, names(3))
    for name in names(1):
        save_photo(tmp_path / f"photos/{name}.jpg", (80, 40))
        save_mask(tmp_path / f"masks/{name}.png", size=(80, 40))
    found = read_survey(tmp_path, pairs(3))
    assert found.usual_size == SIZE and found.smallest == (48, 40)


def spoil_jpeg(root):
    Image.fromarray(stripes((0, 1, 2))).save(root / "masks/IMG_0001.png", format="JPEG")
    return r"masks/IMG_0001.png: is a mask in a format that changes values \(JPEG\)"


def spoil_size(root):
    save_mask(root / "masks/IMG_0001.png", size=(48, 63))
    return "masks/IMG_0001.png: is 63 x 48 pixels .* its image 64 x 48"


def spoil_small(root):
    save_photo(root / "photos/IMG_0001.jpg", (20, 64))
    save_mask(root / "masks/IMG_0001.png", size=(20, 64))
    return "photos/IMG_0001.jpg: is 64 x 20 pixels; 32 x 32 are needed"


def spoil_mask(root):
    path = root / "masks/IMG_0001.png"
    path.write_bytes(path.read_bytes()[:60])
    return "masks/IMG_0001.png: cannot be decoded"


def spoil_photo(root):
    (root / "photos/IMG_0001.jpg").write_bytes(b"")
    return r"photos/IMG_0001.jpg: cannot be decoded \(it is empty"


@pytest.mark.parametrize("spoil", [spoil_jpeg, spoil_size, spoil_small, spoil_mask, spoil_photo])
def test_a_file_that_cannot_be_used_is_named(tmp_path, spoil):
    save_pairs(tmp_path, names(3))
    said = spoil(tmp_path)
    with pytest.raises(LbtError, match=said):
        read_survey(tmp_path, pairs(3))


def turned(path, size, orientation=6):
    exif = Image.Exif()
    exif[274] = orientation
    save_photo(path, size, exif=exif)


@pytest.mark.parametrize(
    ("photo", "mask", "wanted"),
    [((64, 48), (48, 64), None), ((64, 48), (64, 48), "stored")],
    ids=["masks are upright", "masks lie on the stored pixels"],
)
def test_sizes_show_how_masks_lie_on_turned_photographs(tmp_path, photo, mask, wanted):
    save_pairs(tmp_path, names(3))
    turned(tmp_path / "photos/IMG_0001.jpg", photo)
    save_mask(tmp_path / "masks/IMG_0001.png", size=mask)
    assert read_survey(tmp_path, pairs(3)).exif == wanted


def test_a_square_photograph_follows_the_others(tmp_path):
    save_pairs(tmp_path, names(3))
    turned(tmp_path / "photos/IMG_0001.jpg", (64, 48))
    turned(tmp_path / "photos/IMG_0002.jpg", (48, 48))
    save_mask(tmp_path / "masks/IMG_0002.png", size=(48, 48))
    assert read_survey(tmp_path, pairs(3)).exif == "turn"
    save_pairs(tmp_path, names(2))
    with pytest.raises(LbtError, match="marked as turned"):  # alone it shows nothing
        read_survey(tmp_path, pairs(3))
