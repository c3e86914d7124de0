"""Paths in the settings: `~`, `$HOME`, and the two folders in which a relative path is searched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lbt.config import Settings
from lbt.config.base import PATH, Section, check_path, section_in
from lbt.config.yaml_file import Keys

_VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


@dataclass(frozen=True)
class FoundPath:
    """A path of the settings and what it was taken for.

    Attributes:
        key: the setting.
        written: the path as written.
        taken: the path that the run uses; a relative one starts in the working directory.
        origin: where a relative path was found, in words; empty for an absolute one.
    """

    key: str
    written: str
    taken: str
    origin: str

    def __str__(self) -> str:
        place = f" {self.origin}" if self.origin else ""
        return f"{self.key}: {self.written} is {Path(self.taken).absolute()}{place}"


def path_keys(model: type[Section] = Settings, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The settings that name a file or folder of the user."""
    for name, field in model.model_fields.items():
        inner = section_in(field.annotation)
        if PATH in field.metadata:
            yield (*keys, name)
        elif inner is not None:
            yield from path_keys(inner, (*keys, name))


def take_path(keys: Keys, written: str, folder: Path | None, *, made: bool = False) -> FoundPath:
    """Expand a path and look for it.

    Args:
        keys: the setting.
        written: the path as written.
        folder: the folder of the configuration file, if the path comes from one.
        made: whether the run makes what the path names, which it does in the working directory.

    Raises:
        ValueError: no file system can hold such a path, its variable is not set, or it has blanks at its ends.
    """
    expanded = os.path.expanduser(written)
    if not os.path.exists(expanded):  # a folder may be called $HOME
        expanded = os.path.expanduser(os.path.expandvars(written))
    check_path(".".join(map(str, keys)), expanded)
    exists = os.path.exists(expanded)
    unset = _VARIABLE.search(expanded)
    if unset is not None and not exists:
        raise ValueError(
            f"{written}: the variable {unset[0]} is not set, and there is no such path; set or write it out"
        )
    taken, origin = expanded, "" if os.path.isabs(expanded) else "(from the working directory)"
    if folder is not None and origin and not exists and not made:
        beside = folder.absolute() / expanded
        if os.path.exists(beside):
            taken, origin = from_here(beside), "(from the folder of the configuration file)"
        else:
            origin = f"(from the working directory; there is no {beside} either)"
    if expanded != expanded.strip() and not os.path.exists(taken):
        raise ValueError(f"{written!r} has blanks at its ends, and there is no such path; remove them")
    return FoundPath(".".join(map(str, keys)), written, taken, origin)


def from_here(path: Path | str) -> str:
    """A path, relative to the working directory if it is below it."""
    normal, here = os.path.normpath(path), os.getcwd()
    if not (os.path.exists(normal) and os.path.exists(path) and os.path.samefile(normal, path)):
        return str(path)  # it is absent, or `..` goes up from the target of a link
    return os.path.relpath(normal, here) if Path(normal).is_relative_to(here) else normal
