"""Small drawn data sets in both layouts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.config import ClassSettings, DataSettings, FolderSettings

ROAD, CAR, SKY = 7, 26, 23


def save_pair(image: Path, mask: Path | None, seed: int, size: tuple[int, int] = (40, 60)) -> None:
    """Write a noise image of (height, width) `size` and, if asked, a mask of road, car and sky in rows."""
    image.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    if mask is not None:
        mask.parent.mkdir(parents=True, exist_ok=True)
        values = np.repeat(np.array([SKY, CAR, ROAD], np.uint8), [10, 10, size[0] - 20])
        Image.fromarray(np.repeat(values[:, None], size[1], axis=1)).save(mask)


@pytest.fixture
def cityscapes(tmp_path: Path) -> DataSettings:
    """Four training cities with 3, 2, 2 and 1 images, two held-out and three unlabelled images."""
    root = tmp_path / "cityscapes"
    parts = {"train": {"alder": 3, "birch": 2, "cedar": 2, "elm": 1}, "val": {"ash": 2}, "test": {"beech": 3}}
    for split, cities in parts.items():
        for city, count in cities.items():
            for number in range(count):
                name = f"{city}_{number:06d}_000019"
                mask = root / f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"
                image = root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"
                save_pair(image, None if split == "test" else mask, seed=len(city) * 100 + number)
    return DataSettings(root=str(root), classes=("road", "sky", "car"))


@pytest.fixture
def folder(tmp_path: Path) -> DataSettings:
    """Two video sequences in train (frames 8 to 13), one in val, one in test; JPEG-like names, PNG masks."""
    root = tmp_path / "folder"
    for sequence, split in (("A01", "train"), ("B02", "train"), ("A01", "val"), ("C03", "test")):
        for frame in range(8, 14):
            name = f"{sequence}_{split[0]}{frame}"
            mask = root / f"{split}annot/{name}.png"
            save_pair(root / f"{split}/{name}.jpg", None if split == "test" else mask, seed=frame)
    classes = (("road", ROAD, (128, 64, 128)), ("car", CAR, (0, 0, 142)))
    settings = tuple(ClassSettings(name=name, id=value, color=color) for name, value, color in classes)
    return DataSettings(layout="folder", root=str(root), folder=FolderSettings(classes=settings, ignore=(SKY,)))
