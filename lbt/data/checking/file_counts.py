"""Count the files of a data set by folder: used, unlabelled, or left out and why."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lbt.config import OFFICIAL_SPLITS, DataSettings
from lbt.data import cityscapes_layout, folder_layout
from lbt.data.find_files import (
    BROKEN,
    ENDING,
    HIDDEN_FOLDER,
    OUTSIDE,
    PICTURE_ENDINGS,
    UNREADABLE,
    Listing,
    find_files,
)
from lbt.data.images import IMAGE_ENDINGS
from lbt.data.pairing import image_core, mask_core
from lbt.data.problems import shorten
from lbt.data.sample import Sample
from lbt.data.unpaired import differs_in_case
from lbt.errors import visible

USED, UNLABELLED = "used", "unlabelled"
NOT_READ = "mask of an unlabelled image"
BELOW = "in a folder that the pattern does not reach"

_ROWS = 24


def list_parts(data: DataSettings) -> list[tuple[Listing, Listing]]:
    """The images and masks of each official part."""
    root = Path(data.root)
    if data.folder is None:
        names = [cityscapes_layout.part_name(data, split) for split in OFFICIAL_SPLITS]
        return [cityscapes_layout.list_part(root, name) for name in names]
    splits = OFFICIAL_SPLITS[:1] if folder_layout.is_undivided(data.folder) else OFFICIAL_SPLITS
    return [folder_layout.list_part(root, data.folder, split) for split in splits]


def count_files(
    root: Path, parts: Iterable[tuple[Listing, Listing]], samples: Mapping[str, Sequence[Sample]]
) -> list[dict[str, Any]]:
    """A row for each folder: its name, the numbers of files found, used and unlabelled, and of others by the reason.

    Args:
        root: of the data set.
        parts: see `list_parts`.
        samples: of each official part.
    """
    listings = [listing for part in parts for listing in part]
    fate: dict[str, str] = {}
    for listing in listings:
        for file, reason in listing.left_out.items():
            if fate.get(file, OUTSIDE) == OUTSIDE:  # of one pattern; the other says more
                fate[file] = reason
    for listing in listings:
        fate |= dict.fromkeys(listing.files, NOT_READ)
    for split, members in samples.items():
        for sample in members:
            fate[sample.image] = UNLABELLED if split == "unlabeled" else USED
            if sample.label is not None:
                fate[sample.label] = USED
    rows: dict[str, Counter[str]] = {}
    for file, what in fate.items():
        if what == HIDDEN_FOLDER:
            _count_below(root, file, what, rows)
        else:
            rows.setdefault(file if what == UNREADABLE else os.path.dirname(file) or ".", Counter())[what] += 1
    reached = {folder for listing in listings for folder in listing.folders}
    for folder in sorted({folder for listing in listings for folder in listing.below} - reached):
        if not any(other.startswith(f"{folder}/") for other in reached):
            _count_below(root, folder, BELOW, rows)
    return [_row(folder, counts) for folder, counts in sorted(_shorten_rows(rows).items())]


def describe_files(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows of `count_files` as lines of a table."""
    names = [visible(row["folder"]) for row in rows]
    width = max(map(len, ["folder", *names]))
    lines = [f"  {'folder':{width}} {'found':>7} {'used':>7} {'unlabelled':>10}  left out"]
    for name, row in zip(names, rows, strict=True):
        out = ", ".join(f"{count} {visible(reason)}" for reason, count in row["left_out"].items()) or "0"
        lines.append(f"  {name:{width}} {row['found']:7} {row['used']:7} {row['unlabelled']:10}  {out}")
    return lines


def left_out_warnings(
    data: DataSettings, parts: Iterable[tuple[Listing, Listing]], samples: Mapping[str, Sequence[Sample]]
) -> list[str]:
    """Warnings of files that are probably meant to be used but are left out."""
    parts = list(parts)
    images = {file: reason for listing, _ in parts for file, reason in listing.left_out.items()}
    warnings = []
    endings = Counter(_ending(file) for file, why in images.items() if why.startswith(ENDING))
    pictures = {ending: count for ending, count in endings.items() if ending.lower() in PICTURE_ENDINGS}
    if pictures:
        kinds = ", ".join(f"{count} {ending}" for ending, count in pictures.items())
        warnings.append(
            f"{sum(pictures.values())} picture(s) beside the images are left out, because their endings are not read "
            f"({kinds}); convert them to JPEG or PNG if they belong to the data set"
        )
    if data.folder is not None:
        other_case = sorted(
            file
            for file, why in images.items()
            if why == OUTSIDE and differs_in_case(os.path.basename(file), data.folder.images)
        )
        if other_case:
            warnings.append(
                f"{len(other_case)} image(s) are left out, because their names differ from {data.folder.images} in "
                f"upper and lower case ({shorten(other_case)}); correct data.folder.images"
            )
    if broken := sorted(file for file, why in images.items() if why == BROKEN):
        warnings.append(
            f"{len(broken)} image(s) are links to files that do not exist, and are left out ({shorten(broken)}); "
            "restore the files or remove the links"
        )
    places = {file for part in parts for listing in part for file, why in listing.left_out.items() if why == UNREADABLE}
    if places:
        warnings.append(f"folders that cannot be read are left out ({shorten(sorted(places))}); allow reading them")
    if data.folder is not None:
        warnings += _masks_outside(data, parts, samples)
    return warnings


def _masks_outside(
    data: DataSettings, parts: Iterable[tuple[Listing, Listing]], samples: Mapping[str, Sequence[Sample]]
) -> list[str]:
    """Files in the place of masks or below it that have the stem of an unlabelled image but are not found as masks."""
    folder = data.folder
    assert folder is not None
    if not folder_layout.is_undivided(folder):
        return []
    unlabelled = {image_core(sample.image, folder) for sample in samples["unlabeled"]}
    labelled = {image_core(s.image, folder) for split in ("train", "val") for s in samples[split]}
    found = []
    for images, masks in parts:
        lacking = unlabelled - labelled - {mask_core(mask, folder) for mask in masks.files}
        near = [file for file, why in masks.left_out.items() if why == OUTSIDE or why.startswith(ENDING)]
        for place in masks.below:
            near += [f"{place}/{name}" for name in find_files(Path(data.root) / place, "**/*").files]
        named = {file: _without_copy(file) for file in near}
        found += [f for f, name in named.items() if mask_core(name, folder) in lacking and name not in images.files]
    if not found:
        return []
    return [
        f"{len(found)} file(s) beside the masks have the stem of an image without a mask but do not match "
        f"{folder.masks} ({shorten(sorted(found))}); if they are masks, save them as the others, or correct "
        "data.folder.masks"
    ]


def _count_below(root: Path, folder: str, reason: str, rows: dict[str, Counter[str]]) -> None:
    if count := len(find_files(root / folder, "**/*").files):
        rows[folder] = Counter({reason: count})


def _shorten_rows(rows: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """The same counts by fewer folders, if there are too many for a table."""
    depth = max((folder.count("/") for folder in rows), default=0)
    found = dict(rows)
    while len(found) > _ROWS and depth > 0:
        found = {}
        for folder, counts in rows.items():
            parts = folder.split("/")
            name = folder if len(parts) <= depth else "/".join([*parts[:depth], "..."])
            found.setdefault(name, Counter()).update(counts)
        depth -= 1
    return found


def _row(folder: str, counts: Counter[str]) -> dict[str, Any]:
    out = {reason: count for reason, count in sorted(counts.items()) if reason not in (USED, UNLABELLED)}
    found = {"used": counts[USED], "unlabelled": counts[UNLABELLED]}
    return {"folder": folder, "found": sum(counts.values()), **found, "left_out": out}


def _without_copy(file: str) -> str:
    """The name that an image had before a program added an ending, such as `.bak` or `.part`."""
    stem = os.path.splitext(file)[0]
    return stem if os.path.splitext(stem)[1].lower() in IMAGE_ENDINGS else file


def _ending(file: str) -> str:
    return os.path.splitext(file)[1]
