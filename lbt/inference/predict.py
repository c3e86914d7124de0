"""Label maps and overlays of many images."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from lbt.data.images import read_photograph, write_png
from lbt.data.label_images import label_image, legend_image, overlay_image
from lbt.errors import LbtError
from lbt.files import write_text
from lbt.inference.input_files import output_names
from lbt.inference.segmentation_network import SegmentationNetwork
from lbt.runtime.progress import Progress

LABELS, OVERLAYS, LEGEND, CLASSES = "labels", "overlays", "legend.png", "classes.csv"


@dataclass
class Predicted:
    """What became of the images.

    Attributes:
        seconds: all the time that they took, reading and writing included.
        network_seconds: of each image that could be read, the network's.
        unreadable: the message of each that could not.
    """

    seconds: float = 0.0
    network_seconds: list[float] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def speed(self) -> str:
        """The times in words."""
        count = len(self.network_seconds)
        if not count:
            return "no image could be read"
        milliseconds = 1e3 * median(self.network_seconds)
        return (
            f"{count} image{'s' if count > 1 else ''} in {self.seconds:.1f} s ({count / self.seconds:.1f} per second); "
            f"the network alone takes {milliseconds:.1f} ms each ({1e3 / milliseconds:.1f} per second)"
        )


def predict_images(
    network: SegmentationNetwork, images: Sequence[Path], output: Path, opacity: float = 0.5
) -> Predicted:
    """Write for each image, at its own size, `labels/<name>.png` and `overlays/<name>.png` into a folder.

    A label map is an 8-bit palette image of class indices. Beside them stand `legend.png`, the colours of the classes,
    and `classes.csv`, the index, name and colour of each. An image that cannot be read is told of and left out.

    Args:
        network: on the device that it is to run on.
        images: the files, of any sizes.
        output: the folder; files of the same names in it are replaced.
        opacity: of the colours in the overlays, from 0 to 1.

    Raises:
        LbtError: a file to write is one of the images, or cannot be written; the folder has predictions of a network
            with other classes.
    """
    names = [f"{name}.png" for name in output_names(images)]
    given = {path.resolve() for path in images}
    for path in (output / folder / name for folder in (LABELS, OVERLAYS) for name in names):
        if path.resolve() in given:
            raise LbtError(f"{path}: is one of the images and would be replaced. Choose another folder with --output.")
    classes = _classes(network)
    _refuse_other_classes(output / CLASSES, classes)
    write_png(output / LEGEND, legend_image(network.classes, network.colors))
    write_text(output / CLASSES, classes)
    done, started = Predicted(), time.perf_counter()
    with Progress("predict", len(images)) as progress:
        for path, name in zip(images, names, strict=True):
            try:
                pixels = read_photograph(path)
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


def _classes(network: SegmentationNetwork) -> str:
    """The classes as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("index", "name", "red", "green", "blue"))
    for index, (name, color) in enumerate(zip(network.classes, network.colors, strict=True)):
        writer.writerow((index, name, *color))
    return text.getvalue()


def _refuse_other_classes(path: Path, classes: str) -> None:
    """Keep the label maps of two networks apart: a value would mean one class in some and another in others."""
    try:
        there = path.read_text(encoding="utf-8")
    except OSError:  # there is none, or none can be written either
        return
    except UnicodeDecodeError:
        there = ""
    if there != classes:
        raise LbtError(
            f"{path}: has other classes or colours than this network, so that the label maps beside it mean something "
            "else. Choose another folder with --output, or remove that one."
        )
