"""The classes of a data set: names, colours, and the class index of each mask value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np

from lbt.config import ClassSettings, Color, DataClasses
from lbt.errors import LbtError

IGNORE = 255
"""Value in label tensors of pixels that are neither trained on nor scored."""


class CityscapesLabel(NamedTuple):
    """One row of the official label definition (Cordts et al., CVPR 2016)."""

    name: str
    id: int
    train_id: int
    color: Color


CITYSCAPES_LABELS = (
    CityscapesLabel("unlabeled", 0, IGNORE, (0, 0, 0)),
    CityscapesLabel("ego vehicle", 1, IGNORE, (0, 0, 0)),
    CityscapesLabel("rectification border", 2, IGNORE, (0, 0, 0)),
    CityscapesLabel("out of roi", 3, IGNORE, (0, 0, 0)),
    CityscapesLabel("static", 4, IGNORE, (0, 0, 0)),
    CityscapesLabel("dynamic", 5, IGNORE, (111, 74, 0)),
    CityscapesLabel("ground", 6, IGNORE, (81, 0, 81)),
    CityscapesLabel("road", 7, 0, (128, 64, 128)),
    CityscapesLabel("sidewalk", 8, 1, (244, 35, 232)),
    CityscapesLabel("parking", 9, IGNORE, (250, 170, 160)),
    CityscapesLabel("rail track", 10, IGNORE, (230, 150, 140)),
    CityscapesLabel("building", 11, 2, (70, 70, 70)),
    CityscapesLabel("wall", 12, 3, (102, 102, 156)),
    CityscapesLabel("fence", 13, 4, (190, 153, 153)),
    CityscapesLabel("guard rail", 14, IGNORE, (180, 165, 180)),
    CityscapesLabel("bridge", 15, IGNORE, (150, 100, 100)),
    CityscapesLabel("tunnel", 16, IGNORE, (150, 120, 90)),
    CityscapesLabel("pole", 17, 5, (153, 153, 153)),
    CityscapesLabel("polegroup", 18, IGNORE, (153, 153, 153)),
    CityscapesLabel("traffic light", 19, 6, (250, 170, 30)),
    CityscapesLabel("traffic sign", 20, 7, (220, 220, 0)),
    CityscapesLabel("vegetation", 21, 8, (107, 142, 35)),
    CityscapesLabel("terrain", 22, 9, (152, 251, 152)),
    CityscapesLabel("sky", 23, 10, (70, 130, 180)),
    CityscapesLabel("person", 24, 11, (220, 20, 60)),
    CityscapesLabel("rider", 25, 12, (255, 0, 0)),
    CityscapesLabel("car", 26, 13, (0, 0, 142)),
    CityscapesLabel("truck", 27, 14, (0, 0, 70)),
    CityscapesLabel("bus", 28, 15, (0, 60, 100)),
    CityscapesLabel("caravan", 29, IGNORE, (0, 0, 90)),
    CityscapesLabel("trailer", 30, IGNORE, (0, 0, 110)),
    CityscapesLabel("train", 31, 16, (0, 80, 100)),
    CityscapesLabel("motorcycle", 32, 17, (0, 0, 230)),
    CityscapesLabel("bicycle", 33, 18, (119, 11, 32)),
    CityscapesLabel("license plate", -1, IGNORE, (0, 0, 142)),
)
"""The 35 official labels. The licence plate's id -1 is 255 in an 8-bit mask and is never a class."""


@dataclass(frozen=True, eq=False)
class ClassTable:
    """The classes to train and score, and the mask values that stand for them.

    Attributes:
        names: name of each class, in the order of the class index.
        colors: red, green and blue of each class, 0 to 255.
        lut: uint8 array of shape (256,); `lut[mask value]` is the class index or `IGNORE`.
        known: the mask values that may occur, including those of ignored pixels.
        codes: the mask value of each colour, if masks hold colours; None if they hold values.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    lut: np.ndarray
    known: frozenset[int]
    codes: Mapping[Color, int] | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.names)


def class_table(data: DataClasses) -> ClassTable:
    """Build the table for a data set.

    Raises:
        LbtError: `data.classes` names a class that Cityscapes does not have, or names a class twice.
    """
    if data.folder is not None:
        classes = data.folder.classes
        if data.folder.mask_values == "color":
            return _color_table(classes, data.folder.ignore_colors)
        ids = [c.id for c in classes if c.id is not None]  # the settings require an id of each class here
        known = {*ids, *data.folder.ignore}
        return _table([c.name for c in classes], [c.color for c in classes], ids, known)
    labels = _cityscapes_labels(data.classes)
    known = {label.id % 256 for label in CITYSCAPES_LABELS}
    return _table([label.name for label in labels], [c.color for c in labels], [c.id for c in labels], known)


def _table(names: list[str], colors: list[Color], ids: list[int], known: set[int]) -> ClassTable:
    lut = np.full(256, IGNORE, dtype=np.uint8)
    lut[ids] = np.arange(len(ids), dtype=np.uint8)
    lut.setflags(write=False)
    return ClassTable(tuple(names), tuple(colors), lut, frozenset(known))


def _color_table(classes: Sequence[ClassSettings], ignored: Sequence[Color]) -> ClassTable:
    """The table for masks that hold colours: a class colour is read as the class index, an ignored one as `IGNORE`."""
    codes = {c.color: index for index, c in enumerate(classes)} | dict.fromkeys(ignored, IGNORE)
    names, colors, indices = [c.name for c in classes], [c.color for c in classes], list(range(len(classes)))
    return replace(_table(names, colors, indices, set(codes.values())), codes=codes)


def _cityscapes_labels(classes: int | tuple[str, ...]) -> list[CityscapesLabel]:
    selectable = {label.name: label for label in CITYSCAPES_LABELS if label.id >= 0}
    if isinstance(classes, int):
        if classes == 34:
            return list(selectable.values())
        evaluated = [label for label in selectable.values() if label.train_id != IGNORE]
        return sorted(evaluated, key=lambda label: label.train_id)
    for name in classes:
        if name not in selectable:
            near = get_close_matches(name, selectable, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from: {', '.join(selectable)}."
            raise LbtError(f"data.classes: Cityscapes has no class {name!r}; {hint}")
        if classes.count(name) > 1:
            raise LbtError(f"data.classes: {name!r} is listed twice; name each class once.")
    return [selectable[name] for name in classes]
