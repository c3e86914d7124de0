"""Problems that all files of a set share are one line that names cause and remedy."""

import json

import numpy as np
import pytest
from PIL import Image
from raw_images import exif

from lbt.config import Settings
from lbt.data.checking.check import check_data
from lbt.errors import LbtError

BINARY = [{"name": "background", "id": 0, "color": [0, 0, 0]}, {"name": "object", "id": 1, "color": [255, 255, 255]}]


@pytest.fixture
def binary(tmp_path):
    """Ten square JPEG photographs and masks of the ids 0 and 1."""
    for folder in ("photos", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(10):
        mask = np.zeros((36, 36), np.uint8)
        mask[number : number + 9, 4:20] = 1
        photograph = Image.fromarray(np.repeat(mask[..., None] * 150 + 40, 3, axis=2).astype(np.uint8))
        photograph.save(tmp_path / f"photos/{number}.jpg", quality=95)
        Image.fromarray(mask).save(tmp_path / f"masks/{number}.png")
    return tmp_path


def change(folder, store):
    """Replace each file of a folder by what `store(image, path)` writes."""
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            image.load()
        path.unlink()
        store(image, path)


def check(root, data=(), **folder):
    whole = {"images": "photos/*", "masks": "masks/*", "group": "^(.*)$", "classes": BINARY} | folder
    settings = {"data": {"layout": "folder", "root": str(root), "folder": whole} | dict(data)}
    settings |= {section: {"batch_size": 2} for section in ("warmup", "search", "retrain")}
    settings["search"] |= {"student": {"model": "lraspp_mobilenet_v3_large", "batch_size": 2}}
    return check_data(Settings.model_validate_json(json.dumps(settings)))


def problems(root, **folder):
    with pytest.raises(LbtError) as caught:
        check(root, **folder)
    return str(caught.value).splitlines()[1:]


def test_photographs_marked_as_turned_are_one_problem_and_either_answer_is_accepted(binary):
    check(binary)
    change(binary / "photos", lambda image, path: image.rotate(90).save(path, exif=exif(6)))
    (line,) = problems(binary)
    assert line.count("photos/") == 3 and "each is marked as turned (EXIF)" in line
    assert "`data.folder.exif: turn`" in line and "`stored`" in line
    for answer in ("turn", "stored"):
        check(binary, exif=answer)


def test_jpeg_masks_are_one_problem(binary):
    change(binary / "masks", lambda image, path: image.save(path.with_suffix(".jpg"), quality=100))
    (line,) = problems(binary)
    assert "each is a mask in a format that changes values (JPEG); export the masks again as PNG" in line


def test_masks_of_0_and_255_need_no_more_than_the_id_255(binary):
    change(binary / "masks", lambda image, path: Image.fromarray(np.array(image) * 255).save(path))
    (line,) = problems(binary)
    assert "object: has no pixel in the training and held-out images" in line
    assert "but 255, which is ignored, covers 11 % of the pixels" in line and "write `id: 255` for the class" in line
    found = check(binary, classes=[BINARY[0], BINARY[1] | {"id": 255}])
    assert found["splits"]["train"]["classes"]["object"] == pytest.approx(9 * 16 / 36**2)
    assert found["splits"]["train"]["ignored"] == 0
    by_color = check(binary, mask_values="color")  # black is a class, and no longer ignored by default
    assert by_color["splits"]["train"] == found["splits"]["train"]


def test_masks_of_one_bit_are_read(binary):
    expected = check(binary)
    change(binary / "masks", lambda image, path: Image.fromarray(np.array(image) == 1).save(path))
    assert check(binary) == expected and check(binary, mask_values="color")["splits"] == expected["splits"]


def test_masks_in_mixed_lossless_containers_give_the_same_report(binary):
    expected = check(binary)
    ends = (".bmp", ".tif", ".png", ".ppm")
    change(binary / "masks", lambda image, path: image.save(path.with_suffix(ends[int(path.stem) % 4])))
    ends = (".webp", ".png", ".tif", ".bmp")
    change(binary / "photos", lambda image, path: image.save(path.with_suffix(ends[int(path.stem) % 4]), lossless=True))
    found = check(binary)
    assert found | {"warnings": []} == expected | {"warnings": []}  # warnings name files


def test_the_limit_of_pixels_is_a_setting(binary):
    check(binary, data={"max_pixels": 36 * 36})
    lines = problems(binary, data={"max_pixels": 36 * 36 - 1})
    assert len(lines) == 1 and "above the limit data.max_pixels = 1295" in lines[0]
