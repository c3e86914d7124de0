"""Tell photographs from masks where both lie in the same folders."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lbt.data.affixes import find_affixes
from lbt.data.pairing import stem_of

_MASK = re.compile(
    r"(?<![a-z])(masks?|labels?|labelids|labeltrainids|seg|segmentations?|annot|annotations?|gt)(?![a-z])"
)
_FOLDER = re.compile(r"mask|label|annot|segm|gt")
_LOSSY = (".jpg", ".jpeg")
_TRIED = 5000


@dataclass(frozen=True)
class Kinds:
    """The photographs and the masks.

    Attributes:
        images, masks: paths relative to the root.
        image_name, mask_name: patterns of their names.
        affixes: keys of `data.folder` by which their names differ; None if they are still to be found.
    """

    images: Sequence[str]
    masks: Sequence[str]
    image_name: str = "*"
    mask_name: str = "*"
    affixes: Mapping[str, str] | None = None


def tell_apart(files: Sequence[str]) -> Kinds | None:
    """Photographs and masks among files: by the names of folders, by endings, or by a text in the names of masks.

    Args:
        files: paths relative to the root.

    Returns:
        None if the names do not show which is which.
    """
    return _by_folder(files) or _by_ending(files) or _by_word(files) or _by_suffix(files)


def _by_folder(files: Sequence[str]) -> Kinds | None:
    """Folders such as `masks`, or `trainannot` beside `train`."""
    masks = [file for file in files if _FOLDER.search(os.path.dirname(file).lower())]
    images = [file for file in files if not _FOLDER.search(os.path.dirname(file).lower())]
    if not masks or find_affixes([stem_of(file) for file in images], [stem_of(file) for file in masks]) is None:
        return None
    return Kinds(images, masks)


def _by_ending(files: Sequence[str]) -> Kinds | None:
    """`a.jpg` and `a.png`."""
    images = [file for file in files if file.lower().endswith(_LOSSY)]
    masks = [file for file in files if not file.lower().endswith(_LOSSY)]
    stems = {os.path.splitext(file)[0] for file in images}
    shared = sum(os.path.splitext(file)[0] in stems for file in masks)
    if not shared or 2 * shared <= len(masks):
        return None
    return Kinds(images, masks, _name_pattern(images), _name_pattern(masks), {})


def _name_pattern(files: Sequence[str]) -> str:
    endings = {os.path.splitext(file)[1] for file in files}
    if len(endings) == 1:
        return f"*{endings.pop()}"
    first = {ending.lower()[1] for ending in endings}
    return "*.[" + "".join(sorted(letter + letter.upper() for letter in first)) + "]*"


def _by_word(files: Sequence[str]) -> Kinds | None:
    """`a.png` and `a_mask.png`."""
    masks = [file for file in files if _MASK.search(stem_of(file).lower())]
    images = [file for file in files if not _MASK.search(stem_of(file).lower())]
    found = find_affixes([stem_of(file) for file in images], [stem_of(file) for file in masks])
    if not found or not (found["mask_prefix"] or found["mask_suffix"]):
        return None
    return Kinds(images, masks, affixes={key: text for key, text in found.items() if text})


def _by_suffix(files: Sequence[str]) -> Kinds | None:
    """`a.png` and `a_L.png`."""
    stems = sorted(map(stem_of, files))
    known, longer = set(stems), Counter[str]()
    for stem in stems[:_TRIED]:
        at = bisect_left(stems, stem) + 1
        while at < len(stems) and stems[at].startswith(stem):
            longer[stems[at][len(stem) :]] += 1
            at += 1
    suffix, count = max(longer.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    if not suffix or suffix[0].isdigit() or 3 * count < min(len(stems), _TRIED):
        return None
    masks = [f for f in files if stem_of(f).endswith(suffix) and stem_of(f).removesuffix(suffix) in known]
    named = set(masks)
    return Kinds([file for file in files if file not in named], masks, affixes={"mask_suffix": suffix})
