"""Pixels of each class in labelled images: how they are counted, and the CSV file that holds those of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbt.data.dataset import SegmentationDataset
from lbt.errors import LbtError
from lbt.files import read_csv
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress

COLUMNS = ("class", "pixels", "pixels_of_images")


@dataclass(frozen=True, eq=False)
class ClassPixels:
    """Pixels of each class; ignored pixels do not count.

    Attributes:
        pixels: of each class, (C,) int64.
        pixels_of_images: labelled pixels of all images that show the class, (C,) int64.
    """

    pixels: Tensor
    pixels_of_images: Tensor


def count_class_pixels(dataset: SegmentationDataset, progress: Progress) -> ClassPixels:
    """Count the pixels of a data set; `progress` advances by one for each image."""
    pixels, of_images = torch.zeros(2, dataset.table.num_classes, dtype=torch.int64)
    for index in range(len(dataset)):
        counts = torch.bincount(dataset.label(index).flatten(), minlength=256)[: len(pixels)]
        pixels += counts
        of_images += (counts > 0) * counts.sum()
        progress.advance()
    return ClassPixels(pixels, of_images)


def write_class_pixels(path: Path, names: tuple[str, ...], counted: ClassPixels) -> None:
    """Write a row per class with the columns `COLUMNS`."""
    columns = zip(names, counted.pixels.tolist(), counted.pixels_of_images.tolist(), strict=True)
    write_metrics(path, [dict(zip(COLUMNS, row, strict=True)) for row in columns])


def read_class_pixels(path: Path, names: tuple[str, ...]) -> ClassPixels:
    """Read what `write_class_pixels` wrote for these classes.

    Raises:
        LbtError: the file is missing, is no such table, or has other classes.
    """

    def parse(row: dict[str, str]) -> tuple[str, int, int]:
        name, pixels, of_images = row["class"], int(row["pixels"]), int(row["pixels_of_images"])
        if not 0 <= pixels <= of_images:
            raise ValueError(f"has {pixels} pixels of {name} in images with {of_images}")
        return name, pixels, of_images

    rows = read_csv(path, COLUMNS, parse, stage="class_pixels")
    found = tuple(name for name, _, _ in rows)
    if found != names:
        raise LbtError(
            f"{path}: has the classes {', '.join(found)}; these settings have {', '.join(names)}. Delete it and rerun "
            "the stage `class_pixels`."
        )
    return ClassPixels(torch.tensor([row[1] for row in rows]), torch.tensor([row[2] for row in rows]))
