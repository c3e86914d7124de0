"""Image and mask together: turned photographs, in training as in `predict`, and masks that do not fit."""

import numpy as np
import pytest
from PIL import Image
from raw_images import exif

from lbt.config import ClassSettings, DataSettings, FolderSettings
from lbt.data.checking.inspection import inspect_samples
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.images import read_facts
from lbt.data.masks import read_label, read_pair
from lbt.data.sample import Sample
from lbt.errors import LbtError

STORE = {  # the stored pixels of an upright picture
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
SAMPLE = Sample("a", "a.png", "a-mask.png", "g")


def write(root, orientation, mask, size=(32, 40)):
    """A red car on grey, stored turned; the mask lies on the `upright` or the `stored` pixels."""
    values = np.zeros(size, np.uint8)
    values[2:12, 3:21] = 1
    pixels = np.where(values[..., None] == 1, (200, 30, 40), (90, 95, 99)).astype(np.uint8)
    store = STORE[orientation]
    Image.fromarray(store(pixels)).save(root / "a.png", exif=exif(orientation))
    Image.fromarray(store(values) if mask == "stored" else values).save(root / "a-mask.png")
    return pixels, values


def data(root, exif=None):
    classes = (ClassSettings(name="road", id=0, color=(1, 1, 1)), ClassSettings(name="car", id=1, color=(2, 2, 2)))
    return DataSettings(layout="folder", root=str(root), folder=FolderSettings(classes=classes, exif=exif))


def read(root, settings):
    return read_pair(root / "a.png", root / "a-mask.png", settings, class_table(settings))


@pytest.mark.parametrize("size", [(32, 40), (33, 33)])
@pytest.mark.parametrize("mask", ["turn", "stored"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_setting_decides_and_both_are_upright(tmp_path, orientation, mask, size):
    pixels, values = write(tmp_path, orientation, mask, size)
    settings = data(tmp_path, mask)
    image, label = read(tmp_path, settings)
    assert np.array_equal(image, pixels) and np.array_equal(label, values)
    inspect_samples(settings, [SAMPLE])
    image, label = SegmentationDataset([SAMPLE], settings, class_table(settings))[0]
    assert np.array_equal(image.permute(1, 2, 0).numpy(), pixels) and np.array_equal(label.numpy(), values)
    table = class_table(settings)
    assert np.array_equal(read_label(tmp_path / "a.png", tmp_path / "a-mask.png", settings, table), values)


@pytest.mark.parametrize("size", [(32, 40), (33, 33)])
@pytest.mark.parametrize("mask", ["upright", "stored"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_without_the_setting_the_size_of_the_mask_must_show_that_it_is_upright(tmp_path, orientation, mask, size):
    pixels, values = write(tmp_path, orientation, mask, size)
    settings = data(tmp_path)
    if orientation >= 5 and size[0] != size[1] and mask == "upright":
        image, label = read(tmp_path, settings)
        assert np.array_equal(image, pixels) and np.array_equal(label, values)
        return inspect_samples(settings, [SAMPLE])
    message = (
        rf"a\.png: is marked as turned \(EXIF orientation {orientation}\), and its mask .*`data\.folder\.exif: turn`"
    )
    for refuse in (lambda: read(tmp_path, settings), lambda: inspect_samples(settings, [SAMPLE])):
        with pytest.raises(LbtError, match=message):
            refuse()


def test_a_setting_that_the_size_of_a_mask_contradicts_is_refused(tmp_path):
    for mask, setting, found in (("stored", "turn", "stored"), ("upright", "stored", "upright")):
        write(tmp_path, 6, mask)
        with pytest.raises(LbtError, match=f"the size of the {found} pixels against `data.folder.exif: {setting}`"):
            read(tmp_path, data(tmp_path, setting))


def test_a_mask_of_another_size_is_named_with_both_sizes_of_a_turned_image(tmp_path):
    write(tmp_path, 6, "upright")
    Image.new("L", (33, 39)).save(tmp_path / "a-mask.png")
    for setting in (None, "turn", "stored"):
        message = r"a-mask\.png: is 33 x 39 pixels \(width x height\), its image 32 x 40, turned upright 40 x 32"
        with pytest.raises(LbtError, match=message):
            read(tmp_path, data(tmp_path, setting))


def test_unlabelled_photographs_need_no_setting(tmp_path):
    pixels, _ = write(tmp_path, 3, "upright")
    inspect_samples(data(tmp_path), [Sample("a", "a.png", None, "g")])
    assert read_facts(tmp_path / "a.png").size == pixels.shape[:2]


def test_the_limit_of_pixels_is_that_of_the_settings(tmp_path):
    write(tmp_path, 1, "upright")
    settings = data(tmp_path).model_copy(update={"max_pixels": 32 * 40 - 1})
    for refuse in (lambda: read(tmp_path, settings), lambda: inspect_samples(settings, [SAMPLE])):
        with pytest.raises(LbtError, match=r"above the limit data\.max_pixels = 1279"):
            refuse()
