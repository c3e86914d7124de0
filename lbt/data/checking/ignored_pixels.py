"""The share of ignored pixels by mask value, and warnings where they take the place of a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lbt.data.classes import IGNORE, ClassTable

_LARGE = 0.5
_OFTEN, _RARELY = 0.8, 0.05
_FEWEST = 2
_CHANCE = 0.05
"""Of two classes, the largest chance that masks with an ignored value would show no object if it stood for neither."""


def count_ignored(counts: Sequence[np.ndarray], table: ClassTable) -> dict[str, dict[str, Any]]:
    """Of each ignored mask value that occurs: its share of all pixels and the number of masks that hold it.

    Args:
        counts: the pixels (256,) of each value in each mask.
        table: the classes.
    """
    values = _stack(counts)
    pixels, masks = values.sum(0), (values > 0).sum(0)
    total = max(1, int(pixels.sum()))
    return {
        _name(int(value), table): {"share": int(pixels[value]) / total, "masks": int(masks[value])}
        for value in np.flatnonzero(pixels)
        if table.lut[value] == IGNORE
    }


def describe_ignored(part: Mapping[str, Any]) -> str:
    """The ignored pixels of a part of the report, in words."""
    values = [
        f"{value}: {100 * entry['share']:.1f} % (in {entry['masks']} of {part['masks']} masks)"
        for value, entry in part["ignored_values"].items()
    ]
    return ", ".join(values) or "none"


def ignored_warnings(found: Mapping[str, Sequence[np.ndarray]], table: ClassTable) -> list[str]:
    """Warnings of ignored pixels that are very many, or that stand for a class in some of the masks.

    Args:
        found: for each official part, the pixels (256,) of each value in each mask.
        table: the classes.
    """
    warnings = []
    for split in ("train", "val"):
        ignored = count_ignored(found[split], table)
        share = sum(entry["share"] for entry in ignored.values())
        if share > _LARGE:
            values = ", ".join(f"{value}: {100 * entry['share']:.0f} %" for value, entry in ignored.items())
            warnings.append(
                f"{100 * share:.0f} % of the pixels of {split} are ignored ({values}): they are neither trained nor "
                "scored; if they belong to a class, correct the masks, the classes or the ignored values"
            )
    return warnings + _in_place_of_a_class([one for split in ("train", "val") for one in found[split]], table)


def _in_place_of_a_class(counts: Sequence[np.ndarray], table: ClassTable) -> list[str]:
    """Ignored values that occur in exactly those masks in which a class is missing, as 255 beside 1 for one class."""
    present = _stack(counts) > 0
    warnings = []
    for value in map(int, np.flatnonzero(present.any(0))):
        if table.lut[value] != IGNORE:
            continue
        having, lacking = present[present[:, value]], present[~present[:, value]]
        if min(len(having), len(lacking)) < _FEWEST:
            continue
        often = _OFTEN
        if table.num_classes == 2:  # many masks may show no object at all
            often = min(often, 1 - _CHANCE ** (1 / len(having)))
        for index, name in enumerate(table.names):
            codes = np.flatnonzero(table.lut == index)
            share = having[:, codes].any(1).mean(), lacking[:, codes].any(1).mean()
            if share[0] <= _RARELY and share[1] >= often:
                shown, those = _name(value, table), "nearly all" if share[1] >= _OFTEN else "many"
                warnings.append(
                    f"{shown} is ignored and seems to stand for {name} in {len(having)} of {len(present)} masks: "
                    f"these masks hold {shown} but no {name}, and {those} others hold {name} but no {shown}. If so, "
                    f"{len(having)} masks teach and score no {name}: save all masks with the same values"
                )
    return warnings


def _stack(counts: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels (masks, 256) of each value in each mask; samples without a mask are left out."""
    values = [found for found in counts if found.any()]
    return np.stack(values) if values else np.zeros((0, 256), np.int64)


def _name(value: int, table: ClassTable) -> str:
    if table.codes is None:
        return str(value)
    return " or ".join(str(list(color)) for color, code in table.codes.items() if code == value)
