"""Checks of names from files of others: names of classes, and paths that stay below their folder."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from lbt.errors import is_hidden, visible

MOST_CLASSES = 255
"""Label images hold 8 bits a pixel, and 255 stands for an ignored pixel."""
LONGEST_CLASS = 100
"""Characters of the name of a class."""
LONGEST_PART, LONGEST_PATH = 240, 4000
"""Bytes of a file's name and of a path; file systems take 255 and 4096, with what a result adds to a name."""


def require_shown(name: str) -> str:
    """The name, which people can read.

    Raises:
        ValueError: it is blank, or holds a control character, a line break or a mark for the direction of text.
    """
    if not name.strip():
        raise ValueError("a name is blank")
    if is_hidden(name):
        raise ValueError(f"{visible(name, 60)} holds a control character or a line break")
    return name


def require_class(name: str) -> str:
    """The name of a class, which fits into tables and pictures.

    Raises:
        ValueError: it is too long, or see `require_shown`.
    """
    if len(name) > LONGEST_CLASS:
        raise ValueError(f"the name {visible(name, 30)} has {len(name)} characters, at most {LONGEST_CLASS} are read")
    return require_shown(name)


ClassName = Annotated[str, AfterValidator(require_class)]


def require_below(path: str) -> str:
    """The path of a file relative to a folder below which it stays, such as `aachen/aachen_000001`.

    Raises:
        ValueError: it is absolute, has a part such as `..`, is longer than a file system takes, or cannot be shown.
    """
    require_shown(path)
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{visible(path, 60)} leads out of its folder; a path such as `folder/name` is needed")
    if max(len(part.encode()) for part in parts) > LONGEST_PART or len(path.encode()) > LONGEST_PATH:
        raise ValueError(f"{visible(path, 60)} is longer than file systems take")
    return path
