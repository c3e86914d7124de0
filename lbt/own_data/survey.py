"""Read masks, all or an even sample: what their values are, how often they occur, and how they lie on photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from lbt.config import Color
from lbt.data.checking.inspection import SMALLEST, Inspection
from lbt.data.checking.palettes import palette_problems
from lbt.data.classes import ClassTable
from lbt.data.image_facts import ImageFacts
from lbt.data.images import read_facts
from lbt.data.masks import Exif, Misfit, UnknownColors, fit_mask, read_mask
from lbt.data.problems import Problem, raise_problems
from lbt.data.sample import Sample, spread_indices
from lbt.errors import LbtError

T = TypeVar("T")
Value = int | Color
"""What a mask holds at a pixel: the id in its one channel, or red, green and blue."""

_PIXELS = 400_000_000
"""Pixels of all masks that are read; of a larger set an even sample."""
_FEWEST, _MOST = 100, 2000
_THREADS = 4
_GREY = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L")
_IDS = ClassTable((), (), np.zeros(256, np.uint8), frozenset())


@dataclass(frozen=True)
class Survey:
    """What the masks hold.

    Attributes:
        mask_values: `id` or `color`, as in `data.folder`.
        counts: for each mask that was read, by its photograph, the number of pixels of each value.
        palette: the colour of each id, where masks have palettes that say so.
        sizes: number of photographs of each height and width, upright.
        exif: the value of `data.folder.exif` that the sizes show; None if none is needed.
        masks: number of all masks, of which those in `counts` were read.
    """

    mask_values: Literal["id", "color"]
    counts: Mapping[str, Mapping[Value, int]]
    palette: Mapping[int, Color]
    sizes: Counter[tuple[int, int]]
    exif: Exif
    masks: int

    @property
    def is_sample(self) -> bool:
        """Whether only some of the masks were read."""
        return len(self.counts) < self.masks

    def pixels(self) -> Counter[Value]:
        """The number of pixels of each value in all masks that were read."""
        total = Counter[Value]()
        for values in self.counts.values():
            total.update(values)
        return total

    @property
    def usual_size(self) -> tuple[int, int]:
        """The most frequent height and width; the smaller of two that are equally frequent."""
        return min(self.sizes, key=lambda size: (-self.sizes[size], size))

    @property
    def smallest(self) -> tuple[int, int]:
        """The least height and the least width of the photographs that were read."""
        return min(size[0] for size in self.sizes), min(size[1] for size in self.sizes)


def read_survey(root: Path, pairs: Sequence[tuple[str, str]]) -> Survey:
    """Read the masks of photographs.

    Args:
        root: of the data set.
        pairs: photographs with their masks, relative to the root, at least one.

    Raises:
        LbtError: lists every file that cannot be used, and why.
    """
    chosen = _sample(root, pairs)
    images = _read_all(root, [image for image, _ in chosen], read_facts)
    masks = _read_all(root, [mask for _, mask in chosen], read_facts)
    exif = _find_exif(images, masks)
    raise_problems(str(root), [p for n, pair in enumerate(chosen) for p in _misfits(pair, images[n], masks[n], exif)])
    counts: list[dict[Value, int]] | None = None
    palette: dict[int, Color] = {}
    if all(facts.mode in _GREY for facts in masks):
        counts, palette = _read_ids(root, [mask for _, mask in chosen])
    kind: Literal["id", "color"] = "color" if counts is None else "id"
    if counts is None:
        counts = _read_all(root, [mask for _, mask in chosen], _count_colors)
    names = [image for image, _ in chosen]
    sizes = Counter(facts.size for facts in images)
    return Survey(kind, dict(zip(names, counts, strict=True)), palette, sizes, exif, len(pairs))


def _sample(root: Path, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    height, width = _read_all(root, [pairs[0][1]], read_facts)[0].size
    count = min(_MOST, max(_FEWEST, _PIXELS // (height * width)))
    return [pairs[index] for index in spread_indices(len(pairs), count)]


def _read_all(root: Path, files: Sequence[str], read: Callable[[Path], T]) -> list[T]:
    """What `read` finds in each file.

    Raises:
        LbtError: lists every file that it refuses.
    """

    def attempt(file: str) -> T | Problem:
        try:
            return read(root / file)
        except LbtError as error:
            return Problem(file, str(error).removeprefix(f"{root / file}: ").removesuffix("."))

    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(attempt, files))
    raise_problems(str(root), [one for one in found if isinstance(one, Problem)])
    return [one for one in found if not isinstance(one, Problem)]


def _read_ids(root: Path, masks: Sequence[str]) -> tuple[list[dict[Value, int]] | None, dict[int, Color]]:
    """Pixels of each id in each mask, and the colours of the ids; None if the masks' palettes contradict each other."""
    found = _read_all(root, masks, _count_ids)
    inspections = [Inspection([], None, values, {}, True, facts) for values, facts in found]
    samples = [Sample(mask, mask, mask, "") for mask in masks]
    if palette_problems(samples, inspections, _IDS):
        return None, {}
    palette: dict[int, Color] = {}
    counts: list[dict[Value, int]] = []
    for values, facts in found:
        present = np.flatnonzero(values).tolist()
        counts.append({int(value): int(values[value]) for value in present})
        for value in present:
            if (color := facts.palette[3 * value : 3 * value + 3]) and facts.mode == "P":
                palette.setdefault(int(value), (color[0], color[1], color[2]))
    colored = any(len(set(color)) > 1 for color in palette.values())
    return counts, palette if colored else {}


def _count_ids(path: Path) -> tuple[np.ndarray, ImageFacts]:
    values, facts = read_mask(path)
    return np.bincount(values.ravel(), minlength=256), facts


def _count_colors(path: Path) -> dict[Value, int]:
    try:
        read_mask(path, {})
    except UnknownColors as error:  # of a mask that is read without a table
        return dict(error.counts)
    return {}


def _find_exif(images: Sequence[ImageFacts], masks: Sequence[ImageFacts]) -> Exif:
    """How masks lie on photographs that are marked as turned, if sizes show it and a setting is needed."""
    turned = [(image, mask) for image, mask in zip(images, masks, strict=True) if image.orientation != 1]
    upright = any(mask.size == image.size != image.stored for image, mask in turned)
    stored = any(mask.size == image.stored != image.size for image, mask in turned)
    unclear = any(image.size == image.stored for image, _ in turned)
    if upright == stored:  # there is none, sizes do not show it, or they contradict each other, which is a misfit
        return None
    return "stored" if stored else "turn" if unclear else None


def _misfits(pair: tuple[str, str], image: ImageFacts, mask: ImageFacts, exif: Exif) -> Iterator[Problem]:
    name, label = pair
    if min(image.size) < SMALLEST:
        height, width = image.size
        yield Problem(name, f"is {width} x {height} pixels; {SMALLEST} x {SMALLEST} are needed at least")
    try:
        fit_mask(np.broadcast_to(np.uint8(0), mask.size), image, exif)
    except Misfit as misfit:
        yield Problem(name if misfit.of_image else label, misfit.what, misfit.alike)
