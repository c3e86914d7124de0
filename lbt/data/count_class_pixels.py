"""The stage that counts the training pixels of each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.jobs import DataJob
from lbt.data.class_pixels import count_class_pixels, write_class_pixels
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.splits import training_samples
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table; the masks of all training images are counted.
        pixels: receives a row per class as CSV.
    """

    split: Path
    pixels: Path


def run(settings: DataJob, files: Files, *, log: Path | None = None) -> None:
    """Count the labelled pixels of each class, and those of the images that show it."""
    table = class_table(settings.data)
    dataset = SegmentationDataset(training_samples(files.split), settings.data, table)
    with Progress("class pixels", len(dataset), log) as progress:
        write_class_pixels(files.pixels, table.names, count_class_pixels(dataset, progress))
