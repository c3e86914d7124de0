"""Why a pattern finds no image, or no mask belongs to an image: what is there instead, and what to write."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lbt.config import FolderSettings, OfficialSplit
from lbt.data.affixes import describe_loose_match, find_affixes
from lbt.data.find_files import ENDING, OUTSIDE, Listing, find_files
from lbt.data.images import IMAGE_ENDINGS
from lbt.data.pairing import stem_of
from lbt.data.swapped import seem_swapped

_NAMED = 3
_DEPTHS = ("*", "*/*", "*/*/*", "*/*/*/*")


def explain_missing(root: Path, setting: str, pattern: str, listing: Listing, key: str) -> str:
    """Why a pattern matches no image.

    Args:
        root: folder of the data set.
        setting: the pattern as it is written in the settings.
        pattern: the same with the name of a part in place of `{split}`.
        listing: what it found.
        key: the setting's key in `data.folder`.
    """
    correct = f"correct data.folder.{key}" + (" or data.folder.splits" if "{split}" in setting else "")
    if not listing.folders:
        if (moved := _other_root(root, pattern)) is not None:
            return f"it would match below another folder; write `data.root: {moved}`"
        return f"{_missing_folder(root, pattern)}; {correct}"
    endings = f"only {' '.join(sorted(IMAGE_ENDINGS))} are read"
    found = Counter(reason for reason in listing.left_out.values() if reason.startswith(ENDING))
    deeper = {folder: len(find_files(root / folder, "**/*").files) for folder in listing.below}
    if images := sum(deeper.values()):
        parent, _, last = setting.rpartition("/")
        better = f"{parent}/**/{last}".removeprefix("/")
        folders = _some([folder for folder, count in deeper.items() if count])
        return f"the folders below it ({folders}) hold {images}; write `{key}: {better!r}`"
    if found:
        kinds = ", ".join(f"{count} {reason.removeprefix(f'{ENDING} ')}" for reason, count in found.most_common(_NAMED))
        return f"there are files with other endings ({kinds}), and {endings}; convert them, or {correct}"
    outside = [os.path.basename(file) for file, reason in listing.left_out.items() if reason == OUTSIDE]
    if other_case := [name for name in outside if differs_in_case(name, pattern)]:
        return f"names differ from it in upper and lower case ({_some(sorted(other_case))}); {correct}"
    if outside:
        return f"there are files of other names ({_some(sorted(outside))}); {correct}"
    if listing.left_out:
        reason, count = Counter(listing.left_out.values()).most_common(1)[0]
        return f"{count} file(s) or folder(s) are left out ({reason}); {correct}"
    return f"the folder is empty; {correct}"


def explain_unpaired(root: Path, folder: FolderSettings, split: OfficialSplit, images: Listing, masks: Listing) -> str:
    """Why no mask belongs to an image: see `lbt.data.folder_layout`.

    Args:
        root: folder of the data set.
        folder: its settings.
        split: the part.
        images: its images, at least one.
        masks: its masks.
    """
    mask_pattern = folder.masks.replace("{split}", folder.splits[split])
    every_mask = find_files(root, mask_pattern).files
    if not every_mask:
        text = explain_missing(root, folder.masks, mask_pattern, masks, "masks")
        return text if "write `" in text else text + _elsewhere(root, folder, split, images.files)
    every_image = find_files(root, folder.images.replace("{split}", folder.splits[split])).files
    if seem_swapped(root, every_image, every_mask):
        return "images and masks seem to be swapped; exchange data.folder.images and data.folder.masks"
    names = [stem_of(file) for file in every_image], [stem_of(file) for file in every_mask]
    if (affixes := find_affixes(*names)) is not None:
        wanted = {key: value for key, value in affixes.items() if value or getattr(folder, key)}
        listed = ", ".join(f'`{key}: "{value}"`' for key, value in wanted.items())
        if wanted and any(getattr(folder, key) != value for key, value in wanted.items()):
            return f"{_samples(every_image, every_mask)}; write {listed} in data.folder"
    places = {os.path.basename(os.path.dirname(mask)): mask for mask in every_mask}
    if 2 * len(places.keys() & set(names[0])) > len(names[0]):
        mask = next(mask for place, mask in places.items() if place in names[0])
        better = f"{os.path.dirname(mask)}{os.path.splitext(mask)[1]}"
        return f"the folders of the masks have the names of images; rename masks such as {mask} to {better}"
    if loose := describe_loose_match(*names):
        return f"the names differ in {loose}; rename the images or the masks"
    text = _samples(every_image, every_mask) + _elsewhere(root, folder, split, images.files)
    keys = "data.folder.masks, data.folder.mask_prefix or data.folder.mask_suffix"
    return f"{text}; a mask needs the stem of its image: correct {keys}"


def describe_likeness(images: Sequence[str], masks: Sequence[str]) -> str:
    """How the names of images without a mask resemble those of masks without an image; empty if they do not."""
    names = [stem_of(file) for file in images], [stem_of(file) for file in masks]
    affixes = find_affixes(*names)
    if affixes and any(affixes.values()):
        texts = " and ".join(repr(text) for text in affixes.values() if text)
        return f"; images without a mask, such as {images[0]}, differ from such names by {texts}: rename them"
    if loose := describe_loose_match(*names):
        return f"; such names differ from those of images in {loose}: rename them"
    return ""


def _samples(images: Sequence[str], masks: Sequence[str]) -> str:
    names = ["images are named " + _some(list(map(os.path.basename, images)))]
    names.append("masks " + _some(list(map(os.path.basename, masks))))
    return ", ".join(names)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def differs_in_case(name: str, pattern: str) -> bool:
    """Whether a name fits the last part of a pattern but for upper and lower case, as IMG.JPG fits `*.jpg`."""
    last = pattern.rpartition("/")[2]
    return not fnmatchcase(name, last) and fnmatchcase(name.lower(), last.lower())


def _other_root(root: Path, pattern: str) -> Path | None:
    """The folder below or above `root` below which a pattern finds images, if there is one."""
    below = sorted(place for place in root.iterdir() if place.is_dir() and not place.name.startswith("."))
    above = [root.absolute().parent] if root.name in PurePosixPath(pattern).parts else []
    return next((place for place in (*below, *above) if find_files(place, pattern).files), None)


def _missing_folder(root: Path, pattern: str) -> str:
    """The first folder of a pattern that does not exist, and what is there instead."""
    base = ""
    for part in PurePosixPath(pattern).parts[:-1]:
        if not any(sign in part for sign in "*?[") and (root / base / part).is_dir():
            base = f"{base}/{part}" if base else part
            continue
        place = root / base
        folders = sorted(entry.name for entry in place.iterdir() if entry.is_dir() and entry.name[0] != ".")
        lower = {name.lower(): name for name in folders}
        near = get_close_matches(part.lower(), lower, n=1)
        hint = f"; did you mean {lower[near[0]]}?" if near else ""
        holds = f"{place} holds the folders {_some(folders)}" if folders else f"{place} holds no folder"
        return f"there is no folder {part} in {base or 'data.root'}{hint or f'; {holds}'}"
    return "there is no such folder"


def _elsewhere(root: Path, folder: FolderSettings, split: OfficialSplit, images: Sequence[str]) -> str:
    """Another folder whose files fit the names of the images, as a pattern to write."""
    stems = {stem_of(image) for image in images}
    of_images = {os.path.dirname(image) for image in images}
    fitting: Counter[str] = Counter()
    named: dict[str, int] = defaultdict(int)
    for depth in _DEPTHS:
        for file in find_files(root, depth).files:
            place = os.path.dirname(file)
            if place not in of_images:
                named[place] += 1
                fitting[place] += stem_of(file).removesuffix(folder.mask_suffix) in stems
    if not fitting:
        return ""
    place, count = fitting.most_common(1)[0]
    if count < 1 or 2 * count < min(len(stems), named[place]):
        return ""
    pattern = f"{place}/*" if place else "*"
    name = folder.splits[split]
    if "{split}" in folder.masks and name in pattern:
        pattern = pattern.replace(name, "{split}", 1)
    return f"; {count} file(s) of the names of images lie in {place or 'data.root'}: if they are the masks, write " + (
        f"`masks: {pattern!r}`"
    )
