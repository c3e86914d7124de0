"""Find the files of a pattern below a folder, and say of every other file there why it is left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from lbt.data.images import IMAGE_ENDINGS
from lbt.errors import LbtError

HIDDEN, HIDDEN_FOLDER = "hidden", "hidden folder"
BROKEN = "broken link"
NO_FILE = "no file"
UNREADABLE = "folder that cannot be read"
OUTSIDE = "outside the pattern"
ENDING = "ending"
"""Reasons for leaving a file or folder out; the reason `ENDING` is followed by the ending."""


PICTURE_ENDINGS = frozenset(
    {".arw", ".avif", ".cr2", ".cr3", ".dng", ".exr", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpf"}
    | {".jpx", ".jxl", ".nef", ".npy", ".orf", ".pbm", ".pcx", ".pgm", ".pnm", ".psd", ".raf", ".raw", ".rw2", ".tga"}
)
"""Endings of pictures that are not read; a file of another ending, such as .txt, is meant for something else."""


@dataclass
class Listing:
    """The files of a pattern; all paths are relative to the root, with `/` between their parts.

    Attributes:
        files: the images, sorted.
        folders: the folders whose files were compared with the last part of the pattern; of each the parts of its path
            that wildcards stand for.
        left_out: other files, hidden folders and unreadable folders, with the reason.
        below: folders in `folders` that the pattern does not reach, because it has no `**`.
    """

    files: list[str] = field(default_factory=list)
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    below: list[str] = field(default_factory=list)


def find_files(root: Path, pattern: str, endings: Iterable[str] = IMAGE_ENDINGS) -> Listing:
    """List the images below `root` that match a pattern.

    `*`, `?` and `[...]` stand for parts of a name; `**` stands for any number of folders. Hidden files and folders
    are left out unless the pattern itself spells the dot. Folders behind links are looked into. `**` enters each
    folder once, if possible under its own name, so loops of links end.

    Args:
        root: an existing folder.
        pattern: relative to `root`.
        endings: the endings of images, in lower case.

    Raises:
        LbtError: the pattern is absolute or empty, or has a part `..`.
    """
    parts = PurePosixPath(pattern).parts
    wrong = [part for part in parts if "**" in part and part != "**"]
    if not parts or parts[0] == "/" or wrong or ".." in parts:
        why = (
            "it leads out of it"
            if ".." in parts
            else f"`**` stands alone between `/`, not in {wrong[0]}"
            if wrong
            else "it is absolute"
            if parts
            else "it is empty"
        )
        raise LbtError(
            f"data.folder: {pattern!r} is not a pattern below {root} ({why}). Write it relative to data.root, such as "
            "`{split}/*`."
        )
    if parts[-1] == "**":
        parts = (*parts, "*")
    listing, known = Listing(), frozenset(endings)
    folders: dict[str, tuple[str, ...]] = {"": ()}
    for part in parts[:-1]:
        found: dict[str, tuple[str, ...]] = {}
        for folder, matched in folders.items():
            for name, more in _enter(root, folder, part, listing.left_out):
                found.setdefault(name, (*matched, *more))
        folders = found
    listing.folders = folders
    reached = {_identity(root / folder) for folder in folders}
    for folder in folders:
        for entry in _scan(root, folder, listing.left_out):
            name = _join(folder, entry.name)
            if _is_folder(entry):
                if _is_hidden(entry.name, parts[-1]):
                    listing.left_out[name] = HIDDEN_FOLDER
                elif _identity(root / name) not in reached:
                    listing.below.append(name)
            elif reason := _reason(entry, parts[-1], known):
                listing.left_out[name] = reason
            else:
                listing.files.append(name)
    listing.files.sort()
    return listing


def find_images_below(folder: Path) -> list[Path]:
    """All images in a folder, at any depth, sorted by path; see `find_files`."""
    return sorted(folder / name for name in find_files(folder, "**/*").files)


def _reason(entry: os.DirEntry[str], pattern: str, endings: frozenset[str]) -> str | None:
    """Why a file is left out; None if it is an image of the pattern."""
    if _is_hidden(entry.name, pattern):
        return HIDDEN
    if not _matches(entry.name, pattern):
        return OUTSIDE
    if not (entry.is_file(follow_symlinks=False) or os.path.isfile(entry)):
        return BROKEN if entry.is_symlink() else NO_FILE
    ending = os.path.splitext(entry.name)[1]
    if ending.lower() not in endings:
        return f"{ENDING} {ending}" if ending else "no ending"
    return None


def _enter(root: Path, folder: str, part: str, left_out: dict[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The folders in `folder` that one part of a pattern stands for, each with the names that wildcards stand for."""
    if part == "**":
        yield from _descend(root, folder, left_out)
    elif not any(sign in part for sign in "*?["):
        if os.path.isdir(root / _join(folder, part)):
            yield _join(folder, part), ()
    else:
        for entry in _scan(root, folder, left_out):
            name = _join(folder, entry.name)
            if not _matches(entry.name, part):
                continue
            if not _is_folder(entry):
                if entry.is_symlink() and not os.path.exists(entry):
                    left_out[name] = BROKEN
            elif _is_hidden(entry.name, part):
                left_out[name] = HIDDEN_FOLDER
            else:
                yield name, (entry.name,)


def _descend(root: Path, start: str, left_out: dict[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A folder and all below it. Links are followed last, so that a folder gets its own name if it has one."""
    place = (root / start).absolute()
    seen = {_identity(folder) for folder in (place, *place.resolve().parents)}
    yield start, ()
    pending: list[tuple[str, tuple[str, ...]]] = [(start, ())]
    links: list[tuple[str, tuple[str, ...]]] = []
    while pending or links:
        if not pending:
            name, matched = links.pop(0)
            if (identity := _identity(root / name)) in seen:
                continue
            seen.add(identity)
            yield name, matched
            pending.append((name, matched))
        folder, matched = pending.pop()
        entries = [entry for entry in _scan(root, folder, left_out) if _is_folder(entry)]
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = _join(folder, entry.name)
            if _is_hidden(entry.name, "*"):
                left_out[name] = HIDDEN_FOLDER
            elif entry.is_symlink():
                links.append((name, (*matched, entry.name)))
            elif (identity := _identity(root / name)) not in seen:
                seen.add(identity)
                yield name, (*matched, entry.name)
                pending.append((name, (*matched, entry.name)))


def _scan(root: Path, folder: str, left_out: dict[str, str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as entries:
            return list(entries)
    except OSError:
        left_out[folder or "."] = UNREADABLE
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and os.path.isdir(entry))


def _identity(folder: Path) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def _matches(name: str, part: str) -> bool:
    return fnmatchcase(name, part) or name == part


def _is_hidden(name: str, part: str) -> bool:
    return name.startswith(".") and not part.startswith(".")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
