"""Predict many images and videos: label maps, overlays, and the legend of the classes."""

from __future__ import annotations

import csv
import io
import itertools
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from lbt.data.images import MAX_PIXELS, read_image, write_png
from lbt.data.label_images import label_image, legend_image, overlay_image
from lbt.errors import LbtError, visible
from lbt.files import guard_cell, open_regular, write_text
from lbt.inference.input_files import is_video
from lbt.inference.timed_network import Segmenter, TimedNetwork
from lbt.inference.video import open_video, require_pyav, write_video
from lbt.runtime.progress import Progress

LABELS, OVERLAYS, LEGEND, CLASSES = "labels", "overlays", "legend.png", "classes.csv"


@dataclass
class Outcome:
    """The outcome of `predict_files`.

    Attributes:
        count: images and frames that were segmented.
        seconds: time for all of them, including reading and writing.
        latency: time of the network alone, in words.
        milliseconds: the same as a number; 0 if no pass was timed.
        pixels: of the largest image or frame.
        written: the overlays.
        unreadable: the message of each unreadable file.
    """

    count: int = 0
    seconds: float = 0.0
    latency: str = ""
    milliseconds: float = 0.0
    pixels: int = 0
    written: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def speed(self) -> str:
        """The speed in words."""
        if not self.count:
            return "no image could be read"
        plural = "s" if self.count > 1 else ""
        return f"{self.count} image{plural} in {self.seconds:.1f} s ({self.count / self.seconds:.1f} per second)"


@dataclass(frozen=True)
class _Results:
    """The folder of the results, and how they look."""

    network: Segmenter
    output: Path
    opacity: float
    side_by_side: bool

    def labels(self, name: Path) -> Path:
        return self.output / LABELS / f"{name}.png"

    def frame_labels(self, name: Path, number: int) -> Path:
        return self.output / LABELS / name / f"{number:06d}.png"

    def overlay(self, file: Path, name: Path) -> Path:
        return self.output / OVERLAYS / f"{name}{'.mp4' if is_video(file) else '.png'}"

    def write_labels(self, path: Path, labels: np.ndarray) -> None:
        write_png(path, label_image(labels, self.network.colors))

    def paint(self, pixels: np.ndarray, labels: np.ndarray) -> Image.Image:
        """The overlay, or photograph and overlay side by side."""
        overlay = overlay_image(pixels, labels, self.network.colors, self.opacity)
        return Image.fromarray(np.hstack([pixels, np.asarray(overlay)])) if self.side_by_side else overlay


def predict_files(
    network: Segmenter,
    files: Mapping[Path, Path],
    output: Path,
    opacity: float = 0.5,
    max_pixels: int = MAX_PIXELS,
    *,
    side_by_side: bool = False,
) -> Outcome:
    """Write label map and overlay of each image and each frame of a video, at its size, into a folder.

    Of an image: `labels/<name>.png` and `overlays/<name>.png`. Of a video: `labels/<name>/000001.png` and so on for
    each frame, and `overlays/<name>.mp4`. A label map is an 8-bit palette image of class indices. The folder also gets
    `legend.png`, the colours of the classes, and `classes.csv`, the index, name and colour of each class. An unreadable
    file is reported and left out; of a video that breaks off the frames before remain.

    Args:
        network: on the device on which it runs.
        files: images of any sizes and videos, each with the name of its results.
        output: the folder; files of the same names in it are replaced, and further frames of an earlier, longer video
            are removed.
        opacity: of the colours in the overlays, from 0 to 1.
        max_pixels: the most pixels that an image or a frame may have.
        side_by_side: put the photograph beside the overlay.

    Raises:
        LbtError: a file to write is one of the images or cannot be written; the folder has predictions of a network
            with other classes; there is a video, but PyAV is missing.
    """
    results = _Results(network, output, opacity, side_by_side)
    _refuse_own_inputs(results, files)
    for path in filter(is_video, files):
        require_pyav(path)
    classes = _classes(network)
    _refuse_other_classes(output / CLASSES, classes)
    write_png(output / LEGEND, legend_image(network.classes, network.colors))
    write_text(output / CLASSES, classes)
    done, timed, started = Outcome(), TimedNetwork(network), time.perf_counter()
    with Progress("predict", len(files)) as progress:
        for path, name in files.items():
            before = done.count
            try:
                predict = _predict_video if is_video(path) else _predict_image
                for _ in predict(results, timed, path, name, max_pixels):
                    done.count += 1
            except _Unreadable as error:
                done.unreadable.append(str(error))
                progress.note(str(error))
            if done.count > before:
                done.written.append(results.overlay(path, name))
            progress.advance(**({"ms": 1e3 * timed.seconds[-1]} if timed.seconds else {}))
    done.seconds, done.latency, done.milliseconds = time.perf_counter() - started, timed.describe(), timed.milliseconds
    done.pixels = max((height * width for height, width in timed.sizes), default=0)
    return done


class _Unreadable(LbtError):
    """A file of the input cannot be read; the others go on."""


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except LbtError as error:
        raise _Unreadable(*error.args) from error


def _predict_image(results: _Results, network: TimedNetwork, path: Path, name: Path, max_pixels: int) -> Iterator[None]:
    """Segment an image; yields after it."""
    with _reading():
        pixels = read_image(path, max_pixels, "--max-pixels")
    labels = network(pixels)
    results.write_labels(results.labels(name), labels)
    write_png(results.overlay(path, name), results.paint(pixels, labels))
    yield


def _predict_video(results: _Results, network: TimedNetwork, path: Path, name: Path, max_pixels: int) -> Iterator[None]:
    """Segment the frames of a video; yields after each. Before the first frame is there, nothing is written."""
    number, problem = 0, None
    with ExitStack() as stack:
        with _reading():
            video = stack.enter_context(open_video(path, max_pixels))
            pixels: np.ndarray | None = next(video.frames)
        write = stack.enter_context(write_video(results.overlay(path, name), video.rate))
        progress = stack.enter_context(Progress(f"predict {visible(path.name, 40)}", max(1, video.count)))
        while pixels is not None:
            number += 1
            labels = network(pixels)
            results.write_labels(results.frame_labels(name, number), labels)
            write(np.asarray(results.paint(pixels, labels)))
            progress.total = max(progress.total, number)  # the file may tell too few
            progress.advance()
            yield
            try:
                pixels = next(video.frames, None)
            except LbtError as error:
                pixels, problem = None, error
    for further in itertools.count(number + 1):
        if not (old := results.frame_labels(name, further)).is_file():
            break
        old.unlink()
    if problem is not None:
        raise _Unreadable(*problem.args, f"Only its first {number} frames were segmented.")


def _refuse_own_inputs(results: _Results, files: Mapping[Path, Path]) -> None:
    """Refuse to replace an image by results."""
    inputs = {os.path.realpath(path) for path in files}
    for file, name in files.items():
        labels = results.frame_labels(name, 1).parent if is_video(file) else results.labels(name)
        for path in (labels, results.overlay(file, name)):
            place = Path(os.path.realpath(path))
            if str(place) in inputs or (is_video(file) and any(Path(i).is_relative_to(place) for i in inputs)):
                raise LbtError(
                    f"{path}: is one of the images and would be replaced. Choose another folder with --output."
                )


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
