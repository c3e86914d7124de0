"""Small data sets of noise images in both layouts."""

from pathlib import Path

import pytest
from image_pairs import CAR, ROAD, SKY, save_pair

from lbt.config import ClassSettings, DataSettings, FolderSettings


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
