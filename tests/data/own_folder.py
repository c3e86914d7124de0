"""A user's folder of photographs and masks, its settings, and what the check says about it."""

import json
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from lbt.config import DataSettings, Settings
from lbt.data.checking.check import check_data
from lbt.errors import LbtError

CLASSES = [
    {"name": name, "id": id, "color": color}
    for id, (name, color) in enumerate({"background": [70, 70, 70], "road": [128, 64, 128], "car": [0, 0, 142]}.items())
]


def save(root: Path, image: str, mask: str | None = None, values: Any = (0, 1, 2)) -> None:
    """Write a noise image and, if `mask` is a name, a mask with a stripe for each value."""
    pixels = np.random.default_rng(crc32(image.encode())).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    for name, array in (
        (image, pixels),
        (mask, np.repeat(np.array(values, np.uint8), 48 // len(values))[None].repeat(32, 0)),
    ):
        if name is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(root / name)


def folder_data(root: Path, **folder: Any) -> DataSettings:
    whole = {"images": "photos/*", "masks": "masks/*", "group": "^(.*)$", "classes": CLASSES} | folder
    return DataSettings.model_validate_json(json.dumps({"layout": "folder", "root": str(root), "folder": whole}))


def cityscapes_data(root: Path, **data: Any) -> DataSettings:
    return DataSettings.model_validate_json(json.dumps({"root": str(root)} | data))


def report(data: DataSettings) -> dict[str, Any]:
    """The report of the check with the smallest batches."""
    batches: dict[str, Any] = {section: {"batch_size": 2} for section in ("warmup", "search", "retrain")}
    batches["search"] |= {"student": {"model": "lraspp_mobilenet_v3_large", "batch_size": 2}}
    return check_data(Settings.model_validate({"data": data, **batches}))


def warning(data: DataSettings, word: str) -> str:
    """The only warning of the check that contains a word."""
    found = [text for text in report(data)["warnings"] if word in text]
    assert len(found) == 1, found
    return found[0]


def refusal(data: DataSettings) -> str:
    """The lines of the error that the check raises, without the first."""
    with pytest.raises(LbtError) as caught:
        report(data)
    return "\n".join(str(caught.value).splitlines()[1:])
