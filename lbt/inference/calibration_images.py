"""Training images of a run, on which the ranges of 8-bit features are measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lbt.config.read import read_settings
from lbt.data.images import read_image
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split

COUNT = 32


def read_calibration_images(run: Path, size: tuple[int, int]) -> list[np.ndarray]:
    """At most `COUNT` evenly spaced training images of a run, resized to `size` (H, W): (H, W, 3) uint8 each.

    Raises:
        LbtError: a file cannot be read.
    """
    data = read_settings(run / "settings.yaml").data
    samples = read_split(run / "data" / "split.csv", "teacher_train")
    height, width = size
    return [
        np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))
        for index in spread_indices(len(samples), COUNT)
        for pixels in [read_image(Path(data.root) / samples[index].image, data.max_pixels)]
    ]
