"""Recognise frames of a video among the images, if a split would put neighbouring frames on both sides."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from lbt.data.sample import Sample

_LAST_NUMBER = re.compile(r"^(.*?)(\d+)\D*$")
_CAMERA = re.compile(r"^(img|dsc|dscf|dscn|dji|pxl|cimg|sam|mvimg|p|image from)[-_ ]?\d*[-_ ]?$", re.IGNORECASE)
"""The beginnings of names that cameras give to single photographs."""
_SHORTEST = 5


def frame_warnings(roles: Mapping[str, Sequence[Sample]]) -> list[str]:
    """A warning if the names of images look like frames of a video but hardly any neighbours share a group."""
    parts: dict[Sample, set[str]] = defaultdict(set)
    for role, members in roles.items():
        for sample in members:
            parts[sample].add(role)
    sequences = _sequences(list(parts))
    if not _are_most(sequences, len(parts)):
        return []
    neighbours = [pair for members in sequences.values() for pair in pairwise(members)]
    apart = [(a, b) for a, b in neighbours if parts[a] != parts[b]]
    if not apart or 10 * sum(a.group == b.group for a, b in neighbours) > len(neighbours):
        return []
    one, other = apart[0]
    where = [" and ".join(role for role in roles if role in parts[sample]) for sample in apart[0]]
    expression, stretch = _choose_groups(sequences, len(parts))
    advice = f'`group: "{expression}"`' + (f" and `stretch: {stretch}`" if stretch > 1 else "")
    return [
        f"the images are named like frames of a video, but neighbours are in different groups: {len(apart)} pairs of "
        f"neighbours are in different parts, such as {one.image} ({where[0]}) and {other.image} ({where[1]}). If "
        f"they are frames, write {advice} in data.folder"
    ]


def propose_groups(samples: Sequence[Sample]) -> tuple[str, int] | None:
    """`data.folder.group` and `stretch` that keep neighbouring frames together; None if there are hardly any frames.

    They leave enough groups for all parts.
    """
    sequences = _sequences(samples)
    return _choose_groups(sequences, len(samples)) if _are_most(sequences, len(samples)) else None


def _sequences(samples: Sequence[Sample]) -> dict[tuple[str, str], list[Sample]]:
    """Images whose names differ by an evenly rising number only, in the order of the number, by folder and name."""
    numbered: dict[tuple[str, str], list[tuple[int, Sample]]] = defaultdict(list)
    for sample in samples:
        place, name = os.path.split(os.path.splitext(sample.image)[0])
        match = _LAST_NUMBER.match(name)
        if match is not None and not _CAMERA.match(match[1]) and len(match[2]) < 19:
            numbered[place, match[1]].append((int(match[2]), sample))
    return {
        key: [sample for _, sample in sorted(members)]
        for key, members in numbered.items()
        if len(members) >= _SHORTEST and _is_even(sorted(number for number, _ in members))
    }


def _is_even(numbers: Sequence[int]) -> bool:
    gaps = [after - before for before, after in pairwise(numbers)]
    usual = median(gaps)
    return 5 * sum(gap == usual for gap in gaps) >= 4 * len(gaps)


def _are_most(sequences: Mapping[tuple[str, str], Sequence[Sample]], images: int) -> bool:
    return 2 * sum(map(len, sequences.values())) >= max(1, images)


def _choose_groups(sequences: Mapping[tuple[str, str], Sequence[Sample]], images: int) -> tuple[str, int]:
    # A user may write the expression in single or double quotes, so it has no backslash.
    same_names = len({name for _, name in sequences}) < len(sequences)
    expression = "^(.*/.*?)[0-9]+[^0-9]*$" if same_names else "^(.*?)[0-9]+[^0-9]*$"
    wanted = min(20, max(6, images // 5))
    return expression, -(-wanted // len(sequences))
