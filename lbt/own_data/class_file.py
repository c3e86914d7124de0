"""The file of `lbt init --classes`: names of classes, with mask values and colours if they are given."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from lbt.config import Color
from lbt.config.base import check_name
from lbt.errors import LbtError
from lbt.files import open_regular

_LARGEST = 1_000_000
_NUMBERS = re.compile(r"\d+")
_SEPARATORS = ",;\t"
_LISTED = re.compile(r"[-*]\s|\d+\s*[:.)=|/]|\d+\s|[\[{\"']")
"""The beginning of a line of a list or of another format, which is no name of a class by itself."""
_UNLABELLED = "__ignore__"
"""The first name in labelme's lists of classes. It has no id: the next name has id 0."""


@dataclass(frozen=True)
class NamedClass:
    """A line of the file.

    Attributes:
        name: of the class.
        id: its mask value; None if the line has none.
        color: its colour; None if the line has none.
        line: number of the line, from 1.
    """

    name: str
    id: int | None
    color: Color | None
    line: int


def read_class_file(path: Path) -> list[NamedClass]:
    """Read names of classes: a line is `name`, `id,name` or `id,name,colour`; `;` and tabs separate too.

    Empty lines and those that begin with `#` are left out. A colour is `#804080` or `128 64 128`; the id may be empty.

    Raises:
        LbtError: the file cannot be read, a line is none of these, or a name, an id or a colour is given twice.
    """
    found: list[NamedClass] = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(_parse(line, number))
            except ValueError as error:
                raise LbtError(
                    f"{path}, line {number}: {error}. Write `name`, `id,name` or `id,name,colour`, such as "
                    "`0,road,#804080` or `0,road,128 64 128`."
                ) from error
    if found and found[0].name == _UNLABELLED and found[0].id is None:
        del found[0]
    if not found:
        raise LbtError(f"{path}: names no class. Write one name per line.")
    if any(one.id is None and one.color is None for one in found) and any(
        one.id is not None or one.color is not None for one in found
    ):
        raise LbtError(f"{path}: some lines have an id or a colour and others a name alone. Write all lines alike.")
    for key in ("name", "id", "color"):
        first: dict[object, int] = {}
        for one in found:
            value = getattr(one, key)
            if value is not None and first.setdefault(value, one.line) != one.line:
                raise LbtError(
                    f"{path}, line {one.line}: the {'colour' if key == 'color' else key} {value} is also in line "
                    f"{first[value]}. Give each class its own."
                )
    return found


def _read(path: Path) -> str:
    try:
        with open(path, "rb", opener=open_regular) as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise LbtError(f"{path}: is larger than a list of classes. Name a text file with one class per line.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LbtError(f"{path}: is not UTF-8 text. Save the file as UTF-8 in your editor.") from error
    except OSError as error:
        raise LbtError(f"{path}: could not be read ({error.strerror}). Name a text file of classes.") from error


def _parse(line: str, number: int) -> NamedClass:
    line = line.rstrip()
    separator = next((sign for sign in _SEPARATORS if sign in line), ",")
    fields = [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=False))]
    if len(fields) == 1:
        check_name(fields[0])
        if _LISTED.match(fields[0]):
            raise ValueError(f"{fields[0]!r} begins like an id or an item of a list, and not like a name")
        return NamedClass(fields[0], None, None, number)
    if len(fields) > 3:
        raise ValueError(f"has {len(fields)} fields")
    id, name, color = [*fields, ""][:3]
    check_name(name)
    if id and not (id.isascii() and id.isdecimal() and int(id) <= 255):
        raise ValueError(f"{id!r} is not an id from 0 to 255")
    return NamedClass(name, int(id) if id else None, _color(color) if color else None, number)


def _color(text: str) -> Color:
    if match := re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text):
        numbers = [int(part, 16) for part in match.groups()]
    else:
        numbers = [int(part) for part in _NUMBERS.findall(text)] if re.fullmatch(r"[\d\s]+", text) else []
    if len(numbers) != 3 or max(numbers) > 255:
        raise ValueError(f"{text!r} is not a colour")
    return numbers[0], numbers[1], numbers[2]
