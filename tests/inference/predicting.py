"""`lbt predict` from tests: made-up photographs, the command, and what it wrote."""

import numpy as np
from PIL import Image

from lbt.__main__ import main


def picture(height, width, seed=0):
    """Smooth noise (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).cumsum(0).cumsum(1)
    low, high = noise.min(), noise.max()
    return ((noise - low) / (high - low) * 255).astype(np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def predict(*words):
    return main(["predict", *map(str, words)])


def read(path):
    with Image.open(path) as image:
        return image.mode, np.array(image)
