"""Recognise folders for training, evaluation and unlabelled photographs, such as `train`, `val` and `test`."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lbt.own_data.escape import escape

_WORDS = {
    "train": ("training", "train"),
    "val": ("validation", "valid", "val"),
    "unlabeled": ("unlabelled", "unlabeled", "testing", "test"),
}
_FIND = {role: re.compile(rf"(?<![a-z])({'|'.join(words)})", re.IGNORECASE) for role, words in _WORDS.items()}


@dataclass(frozen=True)
class PartFolders:
    """The folders of the official parts.

    Attributes:
        images, masks: patterns of folders with `{split}`; `masks` may lack it.
        names: the text that replaces `{split}`, for `train`, `val` and `unlabeled`.
    """

    images: str
    masks: str
    names: Mapping[str, str]


def find_parts(images: Sequence[str], masks: Sequence[str]) -> PartFolders | None:
    """The folders of the parts; None unless every photograph is in one of three, and masks lie alike.

    Args:
        images, masks: paths relative to the root.
    """
    found = _template(images)
    if found is None or found[1].keys() != _WORDS.keys():
        return None
    pattern, names = found
    of_masks = _template(masks)
    if of_masks is not None:
        mask_pattern, mask_names = of_masks
        if not {"train", "val"} <= mask_names.keys() or any(names[role] != name for role, name in mask_names.items()):
            return None
        return PartFolders(pattern, mask_pattern, names)
    if any(_part_of(part) for file in masks for part in os.path.dirname(file).split("/")):
        return None
    return PartFolders(pattern, _common(os.path.dirname(file) for file in masks), names)


def _template(files: Sequence[str]) -> tuple[str, dict[str, str]] | None:
    """The pattern of the folders of all files, and the text of each part in it; None if they have no common one."""
    names: dict[str, set[str]] = defaultdict(set)
    starts, rests = set(), set()
    for file in files:
        parts = os.path.dirname(file).split("/")
        at = next((i for i, part in enumerate(parts) if _part_of(part)), None)
        if at is None:
            return None
        role, text, before, after = _part_of(parts[at]) or ("", "", "", "")
        names[role].add(text)
        starts.add("/".join([*map(escape, parts[:at]), f"{escape(before)}{{split}}{escape(after)}"]))
        rests.add("/".join(parts[at + 1 :]))
    if len(starts) != 1 or any(len(texts) > 1 for texts in names.values()):
        return None
    rest = f"/{escape(next(iter(rests)))}" if len(rests) == 1 and "" not in rests else "" if rests == {""} else "/**"
    return starts.pop() + rest, {role: names[role].pop() for role in _WORDS if role in names}


def _part_of(folder: str) -> tuple[str, str, str, str] | None:
    """Role, text of the part, and what stands before and after it in the name of a folder."""
    for role, pattern in _FIND.items():
        if match := pattern.search(folder):
            return role, match[1], folder[: match.start()], folder[match.end() :]
    return None


def _common(folders: Iterable[str]) -> str:
    """The pattern of the folders of masks that serve all parts."""
    found = set(folders)
    if len(found) == 1:
        return escape(found.pop()) or "."
    return "/".join(filter(None, [escape(os.path.commonpath(["/" + f for f in found])[1:]), "**"]))
