"""One image of a data set, and the parts that a data set comes in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

OfficialSplit = Literal["train", "val", "unlabeled"]
OFFICIAL_SPLITS: tuple[OfficialSplit, ...] = get_args(OfficialSplit)


@dataclass(frozen=True, order=True)
class Sample:
    """One image of a data set.

    Attributes:
        id: unique name in the data set.
        image: path of the image below `data.root`, with `/` between its parts.
        label: path of the mask below `data.root`; None for an image whose label is not used.
        group: name of the images (a city, a stretch of video) that a split must keep together.
    """

    id: str
    image: str
    label: str | None
    group: str
