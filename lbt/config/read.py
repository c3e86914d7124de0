"""From configuration files and options to checked settings, with messages that name the line and say what to write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lbt.config import Settings
from lbt.config.explain import drop_alternatives, explain, key_of
from lbt.config.paths import FoundPath, path_keys, take_path
from lbt.config.sources import Sources, look_up, read_sources
from lbt.config.unread import find_unread
from lbt.config.yaml_file import Document, Keys, Place, number_in, shorten
from lbt.errors import LbtError


@dataclass(frozen=True)
class Configuration:
    """Settings, and what the paths in them were taken for."""

    settings: Settings
    paths: tuple[FoundPath, ...]


def read_settings(path: Path | str) -> Settings:
    """Read and check a configuration file; see `read_configuration`."""
    return read_configuration([path]).settings


def read_configuration(files: Sequence[Path | str], options: Sequence[str] = ()) -> Configuration:
    """Read and check files of settings, later ones over earlier ones, and `--config` options over them.

    Raises:
        LbtError: missing or unreadable file, broken YAML, or any setting out of order; every problem is listed.
    """
    return _check(read_sources(files, options))


def parse_settings(content: Mapping[str, Any], source: str) -> Settings:
    """Check a dictionary of settings; `source` names it in messages.

    Raises:
        LbtError: lists every unknown key (with the nearest known one), wrong type and value out of bounds.
    """
    return _check(Sources(Document(_text_keys(content)), names=[source])).settings


def _check(sources: Sources) -> Configuration:
    """Settings of a document without a problem."""
    problems = _Problems(sources)
    for keys, place, what in sources.document.problems:
        problems.add(keys, what, place)
    content, paths = _take_paths(sources, problems)
    settings = _validate(content, problems)
    if settings is not None:
        for keys, what in find_unread(settings).items():
            problems.add(keys, what)
    if settings is None or problems.lines:
        raise LbtError(*problems.message())
    return Configuration(settings, paths)


def _take_paths(sources: Sources, problems: _Problems) -> tuple[dict[str, Any], tuple[FoundPath, ...]]:
    """The settings with the paths that the run uses, and those paths."""
    content = deepcopy(sources.document.content)
    scenes = content.get("scenes") is not None
    found = []
    for keys in path_keys():
        *sections, name = keys
        written = look_up(content, keys)
        if not isinstance(written, str) or not written or written in ("none", "imagenet", "coco"):
            continue
        place = sources.document.places.get(keys)
        folder = sources.folders.get(place.source) if place is not None else None
        try:
            path = take_path(keys, written, folder, made=scenes and keys == ("data", "root"))
        except ValueError as error:
            problems.add(keys, str(error).removeprefix(f"{'.'.join(keys)}: "))
            continue
        look_up(content, tuple(sections))[name] = path.taken
        found.append(path)
    return content, tuple(found)


def _validate(content: dict[str, Any], problems: _Problems) -> Settings | None:
    """The settings, or None after the problems were added.

    YAML takes 1e-3 for text: where a number is needed, it is read as one.
    """
    while True:
        try:
            # JSON is the strict reading that takes YAML's lists for tuples; values JSON lacks (dates) arrive as text.
            return Settings.model_validate_json(json.dumps(content, default=str))
        except ValidationError as refused:
            errors = drop_alternatives(refused.errors())
        texts = [key_of(error) for error in errors if error["type"] in ("float_type", "int_type")]
        if not sum(_read_number(content, keys, problems.place(keys)) for keys in texts):
            break
    for error in errors:
        keys = key_of(error)
        problems.add(keys, explain(error, problems.place(keys)))
    return None


def _read_number(content: dict[str, Any], keys: Keys, place: Place | None) -> bool:
    """Replace a text without quotes that is a number by the number; returns whether it was one."""
    text, section = look_up(content, keys), look_up(content, keys[:-1])
    if not isinstance(text, str) or (place is not None and place.quoted):
        return False
    number = number_in(text)
    if number is None:
        return False
    section[keys[-1]] = number
    return True


class _Problems:
    """Problems of a document, each in a line with its place."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.lines: list[tuple[int, int, str]] = []
        self.keys: list[Keys] = []

    def place(self, keys: Keys) -> Place | None:
        """The place of a value, if it was written."""
        return self.sources.document.places.get(keys)

    def add(self, keys: Keys, what: str, place: Place | None = None) -> None:
        """Add a problem; of a value that has one already, only the first is of interest."""
        if any(keys[: len(known)] == known for known in self.keys if known):
            return
        self.keys.append(keys)
        name = shorten(".".join(map(str, keys)))
        while place is None and keys:  # a missing value is shown at its section
            place, keys = self.place(keys), keys[:-1]
        source, line, where = (0, 0, "") if place is None else self._where(place)
        self.lines.append((source, line, f"{where}{name}: {what}" if name else f"{where}{what}"))

    def message(self) -> list[str]:
        """The lines of a message with all problems, in the order of their places."""
        count = "1 problem" if len(self.lines) == 1 else f"{len(self.lines)} problems"
        head = f"{', '.join(self.sources.names)}: {count} in the settings:"
        return [head, *(f"  {line}" for *_, line in sorted(self.lines)), "config/README.md explains every key."]

    def _where(self, place: Place) -> tuple[int, int, str]:
        """Number of the source, line, and both in words."""
        number = self.sources.names.index(place.source)
        if place.line is None:
            return number, 0, f"{place.source}: "
        several = f"{place.source}, " if len(self.sources.names) > 1 else ""
        return number, place.line, f"{several}line {place.line}: "


def _text_keys(value: Any) -> Any:
    """The value with every key of a dictionary as text; YAML reads some as numbers or dates."""
    if isinstance(value, Mapping):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value
