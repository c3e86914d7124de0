"""Find palette masks whose ids mean something else than in the other masks, because their palettes differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from lbt.config import Color
from lbt.data.checking.inspection import Inspection
from lbt.data.classes import ClassTable
from lbt.data.problems import Problem
from lbt.data.sample import Sample

_REMEDY = (
    "save the masks without palettes if the ids are right; if the colours are, write `data.folder.mask_values: color` "
    "with `layout: folder`"
)
_ALIKE = (
    f"has a palette that gives an id another colour than other masks do, so that its ids mean other classes; {_REMEDY}"
)


def palette_problems(samples: Sequence[Sample], inspections: Sequence[Inspection], table: ClassTable) -> list[Problem]:
    """The problems of masks of ids whose palette contradicts that of other masks in the ids that occur.

    A palette may lack colours or have other ones for ids that do not occur. Masks without a palette are compared with
    grey palettes alone, which an optimiser of files may have put in the place of grey values.
    """
    if table.codes is not None:
        return []
    files: dict[bytes, list[str]] = defaultdict(list)
    used: dict[bytes, set[int]] = defaultdict(set)
    for sample, found in zip(samples, inspections, strict=True):
        if sample.label is not None and found.mask is not None and found.mask.mode in ("L", "P"):
            files[found.mask.palette].append(sample.label)
            used[found.mask.palette].update(np.flatnonzero(found.values).tolist())
    grey = {index: (index, index, index) for index in used.pop(b"", set())}
    problems: list[Problem] = []
    seen: dict[int, tuple[Color, str]] = {}
    ids: dict[Color, tuple[int, str]] = {}
    for palette in sorted(used, key=lambda palette: -len(files[palette])):
        colors: list[Color] = list(zip(palette[::3], palette[1::3], palette[2::3], strict=True))
        meaning = {index: colors[index] for index in sorted(used[palette]) if index < len(colors)}
        what = _contradiction(meaning, seen, ids)
        if not what and grey and all(len(set(color)) == 1 for color in meaning.values()):
            first = files[b""][0]
            what = _contradiction(meaning, {index: (color, first) for index, color in grey.items()}, {})
        if what:
            problems += [Problem(file, f"{what}; {_REMEDY}", _ALIKE) for file in files[palette]]
            continue
        counts = Counter(meaning.values())
        for index, color in meaning.items():
            seen.setdefault(index, (color, files[palette][0]))
            if counts[color] == 1:
                ids.setdefault(color, (index, files[palette][0]))
    return problems


def _contradiction(
    meaning: Mapping[int, Color], seen: Mapping[int, tuple[Color, str]], ids: Mapping[Color, tuple[int, str]]
) -> str:
    """How the colours of a palette's ids contradict those of earlier palettes; empty if they do not."""
    counts = Counter(meaning.values())
    for index, color in meaning.items():
        if index in seen and seen[index][0] != color:
            return f"has the id {index} in the colour {list(color)}, {seen[index][1]} in {list(seen[index][0])}"
        if counts[color] == 1 and color in ids and ids[color][0] != index:
            return f"has the colour {list(color)} as id {index}, {ids[color][1]} as id {ids[color][0]}"
    return ""
