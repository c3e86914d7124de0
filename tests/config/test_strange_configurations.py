"""A stranger's configuration ends in one message or in settings; it hangs nothing and touches nothing."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from watched_cases import check_cases, run_cases

from lbt.config.read import read_settings
from lbt.errors import LbtError

HERE = Path(__file__).parent
STUDENT = {"model": "lraspp_mobilenet_v3_large", "crop": [32, 32], "batch_size": 2}
FOLDER = {
    "run": "own",
    "data": {
        "layout": "folder",
        "root": "images",
        "folder": {
            "images": "{split}/*",
            "masks": "{split}annot/*",
            "classes": [
                {"name": "road", "id": 0, "color": [128, 64, 128]},
                {"name": "car", "id": 1, "color": [0, 0, 142]},
            ],
        },
    },
    "augmentation": {"crop": [32, 32]},
    "space": {"layers": 4, "base_width": 2},
    "latency": {"input_size": [32, 32]},
    "warmup": {"epochs": 1, "batch_size": 2},
    "search": {"rounds": 1, "epochs": 1, "batch_size": 2, "student": STUDENT},
    "retrain": {"epochs": 1, "batch_size": 2},
    "compute": {"threads": 1, "device": "cpu"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two configurations and the images of one of them."""
    folder = tmp_path_factory.mktemp("configurations")
    tiny = (HERE.parent / "workflow" / "tiny.yaml").read_text()
    (folder / "scenes.yaml").write_text(tiny.replace("results/data/tiny", str(folder / "scenes")))
    draw = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 2), ("test", 4)):
        for number in range(count):
            for place, high in ((split, (33, 40, 3)), (f"{split}annot", (33, 40))):
                (folder / "images" / place).mkdir(parents=True, exist_ok=True)
                pixels = draw.integers(0, 255 if len(high) == 3 else 2, high, np.uint8)
                Image.fromarray(pixels).save(folder / "images" / place / f"s{number}_{number}.png")
    content = FOLDER | {"data": FOLDER["data"] | {"root": str(folder / "images")}}
    (folder / "folder.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize("text", ["'': 1", "search: {'': 1}", "' ': 1", "1: 2", "null: 1", "? [a]\n: 1"])
def test_a_key_that_is_no_name_is_refused(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(LbtError, match=r"unknown key|cannot be a key"):
        read_settings(tmp_path / "a.yaml")


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_a_spoiled_configuration_ends_in_a_message_or_is_read(place, count):
    found = run_cases("strange_configurations:case", count, place, modules=(str(HERE),))
    check_cases(found, count, {"refused", "accepted"})
