"""Names and colours of the classes of well-known data sets, recognised by colours, or by ids and the names of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lbt.config import Color
from lbt.data.classes import CITYSCAPES_LABELS, IGNORE


class KnownClass(NamedTuple):
    """A class of a data set; `id` is its mask value, and None where the data set has colours alone."""

    name: str
    color: Color
    id: int | None = None
    ignored: bool = False


@dataclass(frozen=True)
class KnownSet:
    """The classes of a data set.

    Attributes:
        name: of the data set.
        words: parts of the paths of its files, in lower case: ids alone could be those of any data set.
        classes: its classes.
        common_colors: whether its colours are those of many programs, so that they alone show nothing.
    """

    name: str
    words: tuple[str, ...]
    classes: tuple[KnownClass, ...]
    common_colors: bool = False


def program_color(index: int) -> Color:
    """The colour of an index in the palette of PASCAL VOC, which labelling programs share (VOCdevkit, `VOCcolormap`).

    The bits of the index are dealt to the highest bits of red, green and blue in turn.
    """
    channels = [0, 0, 0]
    for place in range(8):
        for channel in range(3):
            channels[channel] |= (index >> (3 * place + channel) & 1) << (7 - place)
    return channels[0], channels[1], channels[2]


_VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor"),
)
_CAMVID_11 = {
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "pole": (192, 192, 128),
    "road": (128, 64, 128),
    "pavement": (60, 40, 222),
    "tree": (128, 128, 0),
    "sign symbol": (192, 128, 128),
    "fence": (64, 64, 128),
    "car": (64, 0, 128),
    "pedestrian": (64, 64, 0),
    "bicyclist": (0, 128, 192),
}
_CAMVID_32 = {
    "animal": (64, 128, 64),
    "archway": (192, 0, 128),
    "bicyclist": (0, 128, 192),
    "bridge": (0, 128, 64),
    "building": (128, 0, 0),
    "car": (64, 0, 128),
    "cart, luggage, pram": (64, 0, 192),
    "child": (192, 128, 64),
    "column, pole": (192, 192, 128),
    "fence": (64, 64, 128),
    "lane markings, driving": (128, 0, 192),
    "lane markings, non-driving": (192, 0, 64),
    "misc text": (128, 128, 64),
    "motorcycle, scooter": (192, 0, 192),
    "other moving": (128, 64, 64),
    "parking block": (64, 192, 128),
    "pedestrian": (64, 64, 0),
    "road": (128, 64, 128),
    "road shoulder": (128, 128, 192),
    "sidewalk": (0, 0, 192),
    "sign symbol": (192, 128, 128),
    "sky": (128, 128, 128),
    "SUV, pickup truck": (64, 128, 192),
    "traffic cone": (0, 0, 64),
    "traffic light": (0, 64, 64),
    "train": (192, 64, 128),
    "tree": (128, 128, 0),
    "truck, bus": (192, 128, 192),
    "tunnel": (64, 0, 64),
    "vegetation, misc": (192, 192, 0),
    "wall": (64, 192, 0),
}
_EVALUATED = [label for label in CITYSCAPES_LABELS if label.train_id != IGNORE]

KNOWN_SETS = (
    KnownSet(
        "Cityscapes (train ids)",
        ("trainid",),
        (*(KnownClass(x.name, x.color, x.train_id) for x in _EVALUATED), KnownClass("void", (0, 0, 0), 255, True)),
    ),
    KnownSet(
        "Cityscapes (label ids)",
        ("labelids", "gtfine", "cityscapes"),
        tuple(KnownClass(x.name, x.color, x.id, x.train_id == IGNORE) for x in CITYSCAPES_LABELS if x.id >= 0),
    ),
    KnownSet(
        "CamVid (11 classes)",
        ("camvid", "trainannot"),
        (
            *(KnownClass(name, color, index) for index, (name, color) in enumerate(_CAMVID_11.items())),
            KnownClass("void", (0, 0, 0), 11, True),
        ),
    ),
    KnownSet(
        "CamVid (32 classes)",
        (),
        (*(KnownClass(name, color) for name, color in _CAMVID_32.items()), KnownClass("void", (0, 0, 0), None, True)),
    ),
    KnownSet(
        "PASCAL VOC",
        ("voc", "segmentationclass"),
        (
            *(KnownClass(name, program_color(index), index) for index, name in enumerate(_VOC)),
            KnownClass("void", (224, 224, 192), 255, True),
        ),
        common_colors=True,
    ),
)
"""Sources: Cordts et al., CVPR 2016 (Cityscapes); Brostow et al., 2009, `label_colors.txt` (CamVid), and its 11 classes
of Badrinarayanan et al., PAMI 2017; Everingham et al., VOCdevkit 2012 (PASCAL VOC)."""

_ENOUGH = 3
"""Least number of colours by which a data set is recognised."""


def recognise_colors(colors: Iterable[Color], paths: str) -> tuple[str, dict[Color, KnownClass]] | None:
    """The data set to which all colours belong, and the class of each colour; None if there is none.

    Args:
        colors: of the masks, or of the ids in their palettes.
        paths: of the files, in lower case.
    """
    found = set(colors)
    if len(found - {(0, 0, 0)}) < _ENOUGH:
        return None
    for known in KNOWN_SETS:
        table: dict[Color, KnownClass] = {}
        for one in known.classes:
            if one.color not in table or table[one.color].ignored:
                table[one.color] = one
        named = any(word in paths for word in known.words)
        void = (224, 224, 192) in found
        if found <= table.keys() and (named or void or not known.common_colors):
            return known.name, {color: table[color] for color in found}
    return None


def recognise_ids(ids: Iterable[int], paths: str) -> tuple[str, dict[int, KnownClass]] | None:
    """The data set to which all ids belong, and the class of each id; None if the names of files name no data set."""
    found = set(ids)
    for known in KNOWN_SETS:
        table: Mapping[int, KnownClass] = {one.id: one for one in known.classes if one.id is not None}
        if any(word in paths for word in known.words) and found - {255} <= table.keys():
            return known.name, dict(table)
    return None
