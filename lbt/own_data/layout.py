"""Find how photographs and masks lie in folders: patterns, the texts by which names differ, and official parts."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbt.config import FolderSettings
from lbt.data.affixes import describe_loose_match, find_affixes
from lbt.data.find_files import find_files
from lbt.data.folder_layout import list_part
from lbt.data.images import IMAGE_ENDINGS
from lbt.data.pairing import pair, stem_of
from lbt.data.problems import shorten
from lbt.errors import LbtError, is_hidden
from lbt.own_data.escape import escape
from lbt.own_data.kinds import Kinds, tell_apart
from lbt.own_data.parts import PartFolders, find_parts


@dataclass(frozen=True)
class Layout:
    """Where photographs and masks lie, in the terms of `data.folder`.

    Attributes:
        root: the folder that holds both, absolute.
        patterns: the keys of `data.folder` that find and pair the files; `splits` is one of them if the user's own
            parts are used.
        labelled: photographs of training and evaluation with their masks, relative to the root, sorted.
        unlabelled: photographs without a mask, or of the part whose masks are not read.
        notes: decisions that the user should know of.
    """

    root: Path
    patterns: Mapping[str, object]
    labelled: Sequence[tuple[str, str]]
    unlabelled: Sequence[str]
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def has_parts(self) -> bool:
        """Whether training, evaluation and unlabelled photographs have folders of their own."""
        return "splits" in self.patterns


def find_layout(photos: Path, masks: Path) -> Layout:
    """Find the layout of two folders, which may be the same one.

    Raises:
        LbtError: a folder is missing or holds no image, no mask has the name of a photograph, or a path cannot be
            written into a file of settings.
    """
    photos, masks = _require_folder("PHOTOS", photos), _require_folder("MASKS", masks)
    root = Path(os.path.commonpath([photos, masks]))
    of_photos, of_masks = _list_images(root, photos), _list_images(root, masks)
    if photos == masks:
        kinds = tell_apart(of_photos)
        if kinds is None:
            raise LbtError(
                f"{photos}: photographs and masks cannot be told apart by their names. Give two folders, or names such "
                "as a.jpg and a_mask.png."
            )
    else:
        inner_masks, inner_photos = set(of_masks), set(of_photos)
        if masks.is_relative_to(photos):
            of_photos = [file for file in of_photos if file not in inner_masks]
        elif photos.is_relative_to(masks):
            of_masks = [file for file in of_masks if file not in inner_photos]
        kinds = Kinds(of_photos, of_masks)
    for what, place, files in (("photograph", photos, kinds.images), ("mask", masks, kinds.masks)):
        if not files:
            raise LbtError(f"{place}: holds no {what} ({', '.join(sorted(IMAGE_ENDINGS))}). Name another folder.")
    notes: list[str] = []
    parts = find_parts(kinds.images, kinds.masks)
    if parts is not None:
        found = _of_parts(root, kinds, parts, notes)
        if found is not None:
            return found
    return _undivided(root, photos, masks, kinds, notes)


def _require_folder(argument: str, place: Path) -> Path:
    absolute = Path(os.path.abspath(place))
    if not absolute.is_dir():
        what = "is a file" if absolute.exists() else "does not exist"
        raise LbtError(f"{argument}: {place} {what}. Name a folder.")
    if is_hidden(str(absolute)):
        raise LbtError(f"{argument}: {place} has a character that is not UTF-8 text or cannot be shown. Rename it.")
    return absolute


def _list_images(root: Path, place: Path) -> list[str]:
    prefix = place.relative_to(root).as_posix()
    return find_files(root, "**/*" if prefix == "." else f"{escape(prefix)}/**/*").files


def _of_parts(root: Path, kinds: Kinds, parts: PartFolders, notes: list[str]) -> Layout | None:
    """The layout with the user's own parts; None, with a note, if a part cannot be used as it is."""
    patterns: dict[str, Any] = {
        "images": f"{parts.images}/{kinds.image_name}",
        "masks": f"{parts.masks}/{kinds.mask_name}",
        "splits": dict(parts.names),
    } | _affixes(kinds)
    folder = FolderSettings.model_validate(patterns)
    labelled: list[tuple[str, str]] = []
    lonely: list[str] = []
    for split in ("train", "val"):
        images, masks = list_part(root, folder, split)
        found = pair(images, masks, folder).masks
        labelled += [(image, found[image][0]) for image in images.files if found[image]]
        lonely += [image for image in images.files if not found[image]]
    if lonely:
        notes.append(
            f"{len(lonely)} photograph(s) of the folders {parts.names['train']} and {parts.names['val']} have no mask "
            f"({shorten(lonely)}), so all photographs are divided anew; to keep your own parts, move these into "
            f"{parts.names['unlabeled']}"
        )
        return None
    unlabelled = list_part(root, folder, "unlabeled")[0].files
    return Layout(root, patterns, sorted(labelled), unlabelled, tuple(notes))


def _undivided(root: Path, photos: Path, masks: Path, kinds: Kinds, notes: list[str]) -> Layout:
    """The layout without parts of its own, which the run divides."""
    if not notes and (names := _part_names(root, photos, kinds.images)):
        notes.append(
            f"the folders {', '.join(names)} are not kept as parts, because photographs for training, for evaluation "
            "and without masks (train, val, test) are needed; all photographs are divided anew"
        )
    patterns: dict[str, Any] = {
        "images": _pattern(kinds.images, kinds.image_name),
        "masks": _pattern(kinds.masks, kinds.mask_name),
    } | _affixes(kinds)
    folder = FolderSettings.model_validate(patterns)
    images, found_masks = list_part(root, folder, "train")
    if both := sorted(set(images.files) & set(found_masks.files)):
        raise LbtError(
            f"{root / both[0]}: photographs and masks lie in each other's folders. Put them into two folders."
        )
    found = pair(images, found_masks, folder).masks
    labelled = [(image, found[image][0]) for image in images.files if found[image]]
    if not labelled:
        raise _no_pair(photos, masks, kinds)
    return Layout(root, patterns, labelled, [image for image in images.files if not found[image]], tuple(notes))


def _affixes(kinds: Kinds) -> dict[str, str]:
    """The texts without which the names of photographs equal those of their masks."""
    if kinds.affixes is not None:
        return dict(kinds.affixes)
    found = find_affixes([stem_of(file) for file in kinds.images], [stem_of(file) for file in kinds.masks])
    return {key: text for key, text in (found or {}).items() if text}


def _pattern(files: Sequence[str], name: str) -> str:
    """The pattern of files that lie in one folder, or at any depth below one."""
    folders = {os.path.dirname(file) for file in files}
    common = os.path.commonpath(["/" + folder for folder in folders])[1:]
    return "/".join(filter(None, [escape(common), "**" if len(folders) > 1 else "", name]))


def _part_names(root: Path, photos: Path, images: Sequence[str]) -> list[str]:
    """Folders of photographs that a user may have meant as parts."""
    first: dict[str, int] = defaultdict(int)
    for image in images:
        first[(root / image).relative_to(photos).parts[0]] += 1
    known = {"train", "training", "val", "valid", "validation", "test", "testing"}
    return sorted(name for name in first if name.lower() in known)


def _no_pair(photos: Path, masks: Path, kinds: Kinds) -> LbtError:
    names = [stem_of(file) for file in kinds.images], [stem_of(file) for file in kinds.masks]
    loose = describe_loose_match(*names)
    endings = Counter(os.path.splitext(file)[1] for file in kinds.masks).most_common(1)[0][0]
    why = f"the names differ in {loose}; rename the files" if loose else "a mask needs the name of its photograph"
    return LbtError(
        f"{masks}: no mask belongs to a photograph of {photos}: photographs are named "
        f"{shorten([os.path.basename(file) for file in kinds.images])}, masks "
        f"{shorten([os.path.basename(file) for file in kinds.masks])}; {why}, as street.jpg and street{endings}."
    )
