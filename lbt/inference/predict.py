"""Predict many images: label maps, overlays, and the legend of the classes."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

import torch
from torch import Tensor

from lbt.config import Color
from lbt.data.images import MAX_PIXELS, read_image, write_png
from lbt.data.label_images import label_image, legend_image, overlay_image
from lbt.errors import LbtError
from lbt.files import guard_cell, open_regular, write_text
from lbt.inference.input_files import output_names
from lbt.runtime.progress import Progress

LABELS, OVERLAYS, LEGEND, CLASSES = "labels", "overlays", "legend.png", "classes.csv"


class Segmenter(Protocol):
    """A network with its classes and their colours; a call takes an image (3, H, W) uint8 and gives labels (H, W)."""

    classes: tuple[str, ...]
    colors: tuple[Color, ...]

    def __call__(self, image: Tensor, /) -> Tensor: ...


@dataclass
class Outcome:
    """The outcome of `predict_images`.

    Attributes:
        seconds: time for all images, including reading and writing.
        network_seconds: time of the network for each readable image.
        unreadable: the message of each unreadable image.
    """

    seconds: float = 0.0
    network_seconds: list[float] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def speed(self) -> str:
        """The speed in words."""
        count = len(self.network_seconds)
        if not count:
            return "no image could be read"
        milliseconds = 1e3 * median(self.network_seconds)
        return (
            f"{count} image{'s' if count > 1 else ''} in {self.seconds:.1f} s ({count / self.seconds:.1f} per second); "
            f"the network alone takes {milliseconds:.1f} ms each ({1e3 / milliseconds:.1f} per second)"
        )


def predict_images(
    network: Segmenter,
    images: Sequence[Path],
    output: Path,
    opacity: float = 0.5,
    max_pixels: int = MAX_PIXELS,
) -> Outcome:
    """Write `labels/<name>.png` and `overlays/<name>.png` for each image, at the image's size, into a folder.

    A label map is an 8-bit palette image of class indices. The folder also gets `legend.png`, the colours of the
    classes, and `classes.csv`, the index, name and colour of each class. An unreadable image is reported and left out.

    Args:
        network: on the device on which it runs.
        images: the files, of any sizes.
        output: the folder; files of the same names in it are replaced.
        opacity: of the colours in the overlays, from 0 to 1.
        max_pixels: the most pixels that an image may have.

    Raises:
        LbtError: a file to write is one of the images or cannot be written, or the folder has predictions of a network
            with other classes.
    """
    names = [f"{name}.png" for name in output_names(images)]
    inputs = {os.path.realpath(path) for path in images}
    for path in (output / folder / name for folder in (LABELS, OVERLAYS) for name in names):
        if os.path.realpath(path) in inputs:
            raise LbtError(f"{path}: is one of the images and would be replaced. Choose another folder with --output.")
    classes = _classes(network)
    _refuse_other_classes(output / CLASSES, classes)
    write_png(output / LEGEND, legend_image(network.classes, network.colors))
    write_text(output / CLASSES, classes)
    done, started = Outcome(), time.perf_counter()
    with Progress("predict", len(images)) as progress:
        for path, name in zip(images, names, strict=True):
            try:
                pixels = read_image(path, max_pixels, "--max-pixels")
            except LbtError as error:
                done.unreadable.append(str(error))
                progress.note(str(error))
                progress.advance()
                continue
            image = torch.from_numpy(pixels).permute(2, 0, 1)
            before = time.perf_counter()
            labels = network(image).cpu().numpy()
            done.network_seconds.append(time.perf_counter() - before)
            write_png(output / LABELS / name, label_image(labels, network.colors))
            write_png(output / OVERLAYS / name, overlay_image(pixels, labels, network.colors, opacity))
            progress.advance(ms=1e3 * done.network_seconds[-1])
    done.seconds = time.perf_counter() - started
    return done


def _classes(network: Segmenter) -> str:
    """The classes as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", "name", "red", "green", "blue"))
    for index, (name, color) in enumerate(zip(network.classes, network.colors, strict=True)):
        writer.writerow((index, guard_cell(name), *color))
    return text.getvalue()


def _refuse_other_classes(path: Path, classes: str) -> None:
    """Keep the label maps of two networks apart, because the same value would mean different classes."""
    try:
        with open(path, encoding="utf-8", opener=open_regular) as file:
            present = file.read(len(classes) + 1)
    except OSError:  # there is no such file, or it is a pipe, which the new file replaces
        return
    except UnicodeDecodeError:
        present = ""
    if present != classes:
        raise LbtError(
            f"{path}: has other classes or colours than this network, so that its label maps have another "
            "meaning. Choose another folder with --output, or remove that one."
        )
