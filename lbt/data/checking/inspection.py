"""Read images and masks one by one: their problems, sizes and labelled pixels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbt.config import Color, DataSettings
from lbt.data.checking.equal_images import sketch
from lbt.data.checking.ignored_pixels import count_ignored
from lbt.data.checking.unknown_values import describe_unknown
from lbt.data.classes import IGNORE, ClassTable, class_table
from lbt.data.image_facts import ImageFacts
from lbt.data.images import read_photograph
from lbt.data.masks import Misfit, UnknownColors, exif_setting, fit_mask, read_mask
from lbt.data.problems import Problem, raise_problems
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.runtime.progress import Progress

SMALLEST = 32
"""Least height and width of an image in pixels: one pixel of the coarsest feature."""

_THREADS = 4


@dataclass(frozen=True)
class Inspection:
    """Findings of one sample.

    Attributes:
        problems: all but unknown values of the mask, which are reported for all masks together.
        size: height and width in pixels, upright; None if the image cannot be read.
        values: (256,) int64, number of pixels of each mask value.
        unknown: number of pixels of each id or colour of the mask that is not in the table.
        readable: whether the sample has no mask, or a mask that can be decoded and has known values only.
        mask: what the file of the mask says about itself; None if there is none that can be decoded.
        sketch: digest of some pixels of the image; see `lbt.data.checking.equal_images`.
    """

    problems: list[Problem]
    size: tuple[int, int] | None
    values: np.ndarray
    unknown: Mapping[int | Color, int]
    readable: bool
    mask: ImageFacts | None = None
    sketch: bytes | None = None


def inspect_samples(data: DataSettings, samples: Sequence[Sample]) -> None:
    """Read some samples.

    Raises:
        LbtError: lists their problems, one per line.
    """
    table = class_table(data)
    with ThreadPoolExecutor(_THREADS) as pool:
        inspections = list(pool.map(lambda sample: _inspect(sample, data, table), samples))
    problems = [problem for inspection in inspections for problem in inspection.problems]
    raise_problems(data.root, problems + unknown_problems(samples, inspections, table))


def inspect(samples: Sequence[Sample], data: DataSettings, table: ClassTable, progress: Progress) -> list[Inspection]:
    """Read samples in threads; returns the findings in the order of the samples."""
    inspections = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for inspection in pool.map(lambda sample: _inspect(sample, data, table), samples):
            inspections.append(inspection)
            progress.advance()
    return inspections


def unknown_problems(samples: Sequence[Sample], inspections: Sequence[Inspection], table: ClassTable) -> list[Problem]:
    """The problems of masks with values that are not in the table."""
    pairs = zip(samples, inspections, strict=True)
    return describe_unknown({sample.label: found.unknown for sample, found in pairs if sample.label}, table)


def summarise(samples: Sequence[Sample], inspections: Sequence[Inspection], table: ClassTable) -> dict[str, Any]:
    """Numbers of images, groups and sizes; share of each class in the labelled pixels, 0 if there are none."""
    sizes = Counter(_text(inspection.size) for inspection in inspections if inspection.size is not None)
    pixels: dict[int, int] = defaultdict(int)
    for value, count in enumerate(sum((inspection.values for inspection in inspections), np.zeros(256, np.int64))):
        pixels[int(table.lut[value])] += int(count)
    ignored = pixels.pop(IGNORE, 0)
    labelled = sum(pixels.values())
    return {
        "images": len(samples),
        "groups": len({sample.group for sample in samples}),
        "sizes": dict(sorted(sizes.items())),
        "classes": {name: pixels[index] / max(1, labelled) for index, name in enumerate(table.names)},
        "ignored": ignored / max(1, ignored + labelled),
        "ignored_values": count_ignored([inspection.values for inspection in inspections], table),
        "masks": sum(bool(inspection.values.any()) for inspection in inspections),
    }


def _inspect(sample: Sample, data: DataSettings, table: ClassTable) -> Inspection:
    """Read one image and its mask."""
    root, problems = Path(data.root), list[Problem]()
    image: ImageFacts | None = None
    facts: ImageFacts | None = None
    size, found, values = None, None, np.zeros(256, np.int64)
    try:
        pixels, image = read_photograph(root / sample.image, data.max_pixels)
        size, found = image.size, sketch(pixels)
        if min(size) < SMALLEST:
            problems.append(
                Problem(sample.image, f"is {_text(size)} pixels; {SMALLEST} x {SMALLEST} are needed at least")
            )
    except LbtError as error:
        problems.append(_problem(error, root, sample.image))
    unknown: Mapping[int | Color, int] = {}
    readable = sample.label is None
    if sample.label is not None:
        try:
            mask, facts = read_mask(root / sample.label, table.codes, data.max_pixels)
            values = np.bincount(mask.ravel(), minlength=256)
            present = map(int, np.flatnonzero(values))
            unknown = {value: int(values[value]) for value in present if value not in table.known}
            readable = not unknown
            if image is not None:
                fit_mask(mask, image, exif_setting(data))
        except Misfit as misfit:
            problems.append(Problem(sample.image if misfit.of_image else sample.label, misfit.what, misfit.alike))
        except UnknownColors as error:
            unknown = error.counts
        except LbtError as error:
            problems.append(_problem(error, root, sample.label))
    return Inspection(problems, size, values, unknown, readable, facts, found)


def _problem(error: LbtError, root: Path, file: str) -> Problem:
    return Problem(file, str(error).removeprefix(f"{root / file}: ").removesuffix("."))


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"
