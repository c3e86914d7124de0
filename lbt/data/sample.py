"""`Sample`: one image of a data set, with its mask and its group; and the choice of evenly spaced ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Sample:
    """One image of a data set.

    Attributes:
        id: unique name in the data set.
        image: path of the image below `data.root`, with `/` between its parts.
        label: path of the mask below `data.root`; None for an image whose label is not used.
        group: name of the group (a city, a stretch of video) whose images a split must keep together.
    """

    id: str
    image: str
    label: str | None
    group: str


def spread_indices(length: int, count: int) -> list[int]:
    """Choose `count` evenly spaced indices of `length` items, in ascending order from 0; all if there are fewer."""
    count = min(count, length)
    return [i * length // count for i in range(count)]


def picture_name(image_id: str) -> str:
    """The name, in one folder, of the pictures of an image."""
    return f"{image_id.replace('/', '_')}.png"
