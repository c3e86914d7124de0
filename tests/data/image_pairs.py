"""Small pairs of image and mask on disk."""

from pathlib import Path

import numpy as np
from PIL import Image

ROAD, CAR, SKY = 7, 26, 23


def save_pair(image: Path, mask: Path | None, seed: int, size: tuple[int, int] = (40, 60)) -> None:
    """Write a noise image of `size` (height, width) and, if `mask` is a path, a mask with rows of sky, car and road."""
    image.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    if mask is not None:
        mask.parent.mkdir(parents=True, exist_ok=True)
        values = np.repeat(np.array([SKY, CAR, ROAD], np.uint8), [10, 10, size[0] - 20])
        Image.fromarray(np.repeat(values[:, None], size[1], axis=1)).save(mask)
