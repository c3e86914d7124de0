"""Report ids and colours that the class table lacks, once for all masks that hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from lbt.config import Color
from lbt.data.classes import ClassTable
from lbt.data.problems import Problem

_LISTED = 5


def describe_unknown(found: Mapping[str, Mapping[int | Color, int]], table: ClassTable) -> list[Problem]:
    """A problem for each mask with unknown ids or colours.

    Args:
        found: for each mask, the number of pixels of each unknown id or colour.
        table: the classes.
    """
    found = {file: values for file, values in found.items() if values}
    masks = Counter(value for values in found.values() for value in values)
    most = max(map(len, found.values()), default=0)
    # If masks hold many unknown values, the most frequent ones by pixels are more telling than the most shared ones.
    pixels: Counter[int | Color] = Counter()
    for values in found.values():
        pixels.update(values)
    ranked = sorted(masks, key=lambda value: (-(pixels if most > _LISTED else masks)[value], value))
    shown = [f"{_name(value)} (in {masks[value]}{_nearest(value, table)})" for value in ranked]
    what = "ids" if table.codes is None else "colours"
    remedy = _remedy(set(masks), most, table)
    alike = f"holds {what} outside the table: {_list(shown)}; {remedy}"
    problems = []
    for file, values in found.items():
        own = sorted(values, key=lambda value: (-values[value], value))
        text = _list([f"{_name(value)} ({values[value]} pixels{_nearest(value, table)})" for value in own])
        problems.append(Problem(file, f"holds {what} outside the table: {text}; {remedy}", alike))
    return problems


def _name(value: int | Color) -> str:
    return str(value) if isinstance(value, int) else str(list(value))


def _nearest(value: int | Color, table: ClassTable) -> str:
    """The class whose colour is nearest to an unknown colour."""
    if isinstance(value, int):
        return ""
    pairs = zip(table.names, table.colors, strict=True)
    name, color = min(pairs, key=lambda pair: sum((a - b) ** 2 for a, b in zip(pair[1], value, strict=True)))
    return f"; nearest class colour: {name} {list(color)}"


def _list(texts: list[str]) -> str:
    return ", ".join(texts[:_LISTED]) + (f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else "")


def _remedy(values: set[int | Color], most: int, table: ClassTable) -> str:
    if table.codes is None:
        return "correct the mask, or add them to the classes or to the ignored ids"
    if all(isinstance(value, tuple) and len(set(value)) == 1 for value in values):  # grey
        return (
            "write `data.folder.mask_values: id` if the masks hold the classes' ids, or correct the colours of "
            "data.folder.classes or data.folder.ignore_colors"
        )
    if most > _LISTED:
        return "save the masks without compression losses and smoothed edges, as PNG and not as JPEG"
    return "correct the colours of data.folder.classes, or add them to data.folder.ignore_colors"
