"""Small photographs and masks of a user, written into any layout."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

SIZE = (48, 64)


def stripes(values: Sequence, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask with a stripe of each value, an id or a colour: (H, W) or (H, W, 3) uint8."""
    height, width = size
    rows = np.array(values, np.uint8)[np.arange(width) * len(values) // width]
    return np.broadcast_to(rows, (height, *rows.shape)).copy()


def save_photo(path: Path, size: tuple[int, int] = SIZE, **options) -> None:
    """Write noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(crc32(os.fsencode(path))).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, **options)


def save_mask(path: Path, values: Sequence = (0, 1, 2), size: tuple[int, int] = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(stripes(values, size)).save(path)


def save_pairs(
    root: Path,
    names: Iterable[str],
    photo: str = "photos/{}.jpg",
    mask: str = "masks/{}.png",
    values: Sequence = (0, 1, 2),
) -> Path:
    """Write a photograph and a mask of each name; returns the root."""
    for name in names:
        save_photo(root / photo.format(name))
        save_mask(root / mask.format(name), values)
    return root


def names(count: int, pattern: str = "IMG_{:04d}") -> list[str]:
    return [pattern.format(number) for number in range(count)]
