"""Names that cannot be written into tables and results are refused with the file, before any job."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from lbt.config import DataSettings, Settings, SplitSettings
from lbt.data.checking.check import check_data
from lbt.data.layouts import list_samples
from lbt.data.names import LONGEST
from lbt.data.write_split import split_dataset
from lbt.errors import LbtError

CLASSES = [{"name": n, "id": i, "color": [i, i, i]} for i, n in enumerate("ab")]


@pytest.fixture
def data(tmp_path):
    """A folder of ten images with their masks."""
    folder = {"images": "photos/*", "masks": "masks/*", "group": "(?s)^(.*)$", "classes": CLASSES}
    for number in range(10):
        pixels = np.full((32, 32), number, np.uint8)
        for place, image in (("photos", pixels), ("masks", pixels % 2)):
            (tmp_path / place).mkdir(exist_ok=True)
            Image.fromarray(image).save(tmp_path / place / f"{number}.png")
    return DataSettings.model_validate_json(json.dumps({"layout": "folder", "root": str(tmp_path), "folder": folder}))


def rename(data, name):
    """Give an image and its mask another name, in bytes."""
    for place in ("photos", "masks"):
        os.rename(f"{data.root}/{place}/3.png", os.fsencode(f"{data.root}/{place}/") + name + b".png")


REFUSED = {
    "latin-1": ("straße".encode("latin-1"), r"photos/stra\udcdfe.png", "not UTF-8 text"),
    "line break": (b"a\nb", r"photos/a\nb.png", "cannot be shown"),
    "escape": (b"a\x1b[31mb", r"photos/a\x1b[31mb.png", "cannot be shown"),
    "direction": ("a\u202eb".encode(), r"photos/a\u202eb.png", "cannot be shown"),
    "line separator": ("a\u2028b".encode(), r"photos/a\u2028b.png", "cannot be shown"),
    "long": (b"n" * (LONGEST + 1), "photos/nnn", f"longer name than {LONGEST} bytes"),
    "long in bytes": ("é".encode() * 101, "photos/ééé", f"longer name than {LONGEST} bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_results_cannot_have_is_refused_by_check_and_run(data, name):
    new, shown, why = REFUSED[name]
    rename(data, new)
    for read in (
        lambda: check_data(Settings(data=data)),
        lambda: list_samples(data, "train"),
        lambda: split_dataset(data, SplitSettings()),
    ):
        with pytest.raises(LbtError) as error:
            read()
        message = str(error.value)
        assert shown in message and why in message
        message.encode()  # can be printed


def test_a_line_break_is_named_also_where_the_expression_of_groups_stops_at_it(data):
    rename(data, b"a\nb")
    folder = data.folder.model_copy(update={"group": "^(.*)$"})
    with pytest.raises(LbtError, match="cannot be shown") as error:
        list_samples(data.model_copy(update={"folder": folder}), "train")
    assert "data.folder.group" not in str(error.value)


def test_a_pattern_that_leads_out_of_the_data_set_is_refused(data):
    folder = data.folder.model_copy(update={"images": "../*/photos/*"})
    with pytest.raises(LbtError, match=r"it leads out of it"):
        list_samples(data.model_copy(update={"folder": folder}), "train")


@pytest.mark.parametrize(
    "name", ["Straße 路", "it's {a} $(touch x)", "-x", "a;b", "#%[]*?\\", "n" * (LONGEST - len("photos/.png"))]
)
def test_other_names_are_used(data, name):
    rename(data, name.encode())
    ids = {sample.id for samples in split_dataset(data, SplitSettings()).values() for sample in samples}
    assert sum(name in image for image in ids) == 1 and len(ids) == 10


def test_two_images_whose_pictures_would_have_one_name_are_refused(data):
    """The pictures of all images lie in one folder, with `_` for `/`."""
    for place in ("photos", "masks"):
        os.mkdir(f"{data.root}/{place}/a")
        os.rename(f"{data.root}/{place}/3.png", f"{data.root}/{place}/a/1.png")
        os.rename(f"{data.root}/{place}/4.png", f"{data.root}/{place}/a_1.png")
    patterns = {"images": "photos/**/*", "masks": "masks/**/*"}
    deep = data.model_copy(update={"folder": data.folder.model_copy(update=patterns)})
    with pytest.raises(
        LbtError, match=r"photos/a/1\.png: would share its pictures in the results with photos/a_1\.png"
    ):
        check_data(Settings(data=deep, splits=SplitSettings(seed=0)))
