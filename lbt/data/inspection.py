"""Images and masks, read one by one: what is wrong with them, and how large and how labelled they are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbt.config import DataSettings
from lbt.data.classes import IGNORE, ClassTable, class_table
from lbt.data.images import read_image, read_mask
from lbt.data.layouts import Problem
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.progress import Progress

SMALLEST = 32
"""Least height and width of an image in pixels: one cell of the coarsest scale."""

_THREADS = 4


@dataclass(frozen=True)
class Inspection:
    """What reading one sample showed: its problems, its (height, width) and its number of pixels per mask value."""

    problems: list[Problem]
    size: tuple[int, int] | None
    values: np.ndarray


def inspect_samples(data: DataSettings, samples: Sequence[Sample]) -> None:
    """Read some samples.

    Raises:
        LbtError: lists what is wrong with them, one problem a line.
    """
    table = class_table(data)
    with ThreadPoolExecutor(_THREADS) as pool:
        inspections = pool.map(lambda sample: _inspect(sample, Path(data.root), table), samples)
        raise_problems(data, [problem for inspection in inspections for problem in inspection.problems])


def inspect(samples: Sequence[Sample], data: DataSettings, table: ClassTable, progress: Progress) -> list[Inspection]:
    """Read samples, in threads; what is found stands in their order."""
    inspections = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for inspection in pool.map(lambda sample: _inspect(sample, Path(data.root), table), samples):
            inspections.append(inspection)
            progress.advance()
    return inspections


def summarise(samples: Sequence[Sample], inspections: Sequence[Inspection], table: ClassTable) -> dict[str, Any]:
    """Counts of images, groups and sizes; share of the labelled pixels of each class, 0 where there is none."""
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
    }


def raise_problems(data: DataSettings, problems: Sequence[Problem]) -> None:
    """Raise all problems in one error, if there are any.

    Raises:
        LbtError: lists them, one a line.
    """
    problems = list(dict.fromkeys(problems))  # one pattern may serve all parts
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise LbtError("\n  ".join([f"{data.root}: {count} in the data set", *map(str, problems)]))


def _inspect(sample: Sample, root: Path, table: ClassTable) -> Inspection:
    """Read one image and its mask."""
    problems: list[Problem] = []
    size, values = None, np.zeros(256, np.int64)
    try:
        size = read_image(root / sample.image).shape[:2]
        if min(size) < SMALLEST:
            problems.append(
                Problem(sample.image, f"is {_text(size)} pixels; {SMALLEST} x {SMALLEST} are needed at least")
            )
    except LbtError as error:
        problems.append(_problem(error, root, sample.image))
    if sample.label is not None:
        try:
            mask = read_mask(root / sample.label, table.codes)
            values = np.bincount(mask.ravel(), minlength=256)
            unknown = [int(value) for value in np.flatnonzero(values) if int(value) not in table.known]
            if unknown:
                remedy = "correct the mask, or add them to the classes or to the ignored ids"
                shown = ", ".join(f"{value} ({values[value]} pixels)" for value in unknown)
                problems.append(Problem(sample.label, f"holds ids outside the table: {shown}; {remedy}"))
            if size is not None and mask.shape != size:
                problems.append(
                    Problem(sample.label, f"is {_text(mask.shape)} pixels, its image {_text(size)}; replace one")
                )
        except LbtError as error:
            problems.append(_problem(error, root, sample.label))
    return Inspection(problems, size, values)


def _problem(error: LbtError, root: Path, file: str) -> Problem:
    return Problem(file, str(error).removeprefix(f"{root / file}: "))


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"
