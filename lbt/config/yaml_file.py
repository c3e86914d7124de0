"""YAML text to plain values, each with its line. A value that YAML reads differently from its spelling is a problem.

PyYAML parses the text and resolves the types; this module builds the values itself, because PyYAML's own constructor
forgets the lines, keeps the last of two equal keys, and unfolds aliases without a limit.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from lbt.errors import LbtError

Keys = tuple[str | int, ...]
"""Path to a value: keys of sections and indices of lists."""

LARGEST = 256 * 1024
"""Most characters of a file of settings."""
_DEEPEST, _MOST = 24, 20_000
_UNKNOWN_TAG = "has the tag {}, which settings do not know; remove it"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]{0,18})")
_FRACTION = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL = re.compile(r"[+-]?\.inf|\.nan", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """The place of a value in its file, and its spelling.

    Attributes:
        source: the file or the option that holds it.
        line: its line in the file, from 1; None for an option.
        written: the word as written, if it is one without quotes.
        quoted: whether it is a text in quotes.
    """

    source: str
    line: int | None
    written: str | None = None
    quoted: bool = False


@dataclass
class Document:
    """The values of a file or an option.

    Attributes:
        content: the settings.
        places: the place of every value.
        problems: what is wrong with the way in which a value is written.
    """

    content: dict[str, Any] = field(default_factory=dict)
    places: dict[Keys, Place] = field(default_factory=dict)
    problems: list[tuple[Keys, Place, str]] = field(default_factory=list)


def read_yaml(text: str, source: str, *, lines: bool = True) -> Document:
    """Read the settings that a text holds.

    Args:
        text: YAML or JSON.
        source: names the text in messages.
        lines: whether the text is a file, whose lines are worth naming.

    Raises:
        LbtError: the text is not YAML, is not a section, or is too large, too deep or endless.
    """
    text = text.removeprefix("\ufeff")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:  # an option whose bytes are not UTF-8
            raise LbtError(f"{source}: {text[:80]!a} is not UTF-8 text.") from error
    if "\t" in text and text.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):  # JSON, whose tabs are blanks
            json.loads(text)
            text = text.replace("\t", " ")
    node = _compose(text, source, lines)
    if not isinstance(node, yaml.MappingNode):
        kind = {"seq": "a list"}.get(_kind(node), "a single value") if node is not None else "nothing"
        raise LbtError(f"{source}: holds {kind}, settings (key: value) are needed. See config/README.md.")
    return _Builder(source, lines).build(node)


def number_in(text: str) -> float | None:
    """The number that a text holds, such as the 1e-3 that YAML takes for text; None if it is not a decimal number."""
    return float(text) if _FRACTION.fullmatch(text) and not re.match(r"[+-]?0\d", text) else None


def _compose(text: str, source: str, lines: bool) -> yaml.Node | None:
    """The tree of a text that has one document and is neither large nor deep."""
    if len(text) > LARGEST:
        raise LbtError(f"{source}: has {len(text)} characters; a file of settings has at most {LARGEST}.")
    depth = count = documents = 0
    where = source
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            count += 1
            documents += isinstance(event, yaml.DocumentStartEvent)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if lines and event.start_mark is not None:
                where = f"{source}, line {event.start_mark.line + 1}"
            if depth > _DEEPEST:
                raise LbtError(f"{where}: is nested more than {_DEEPEST} levels deep; settings are not.")
            if count > _MOST:
                raise LbtError(f"{where}: holds more than {_MOST} values; settings do not.")
            if documents > 1:
                raise LbtError(f"{where}: a second document begins here; keep one and remove the line `---`.")
        return yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = max(1, len(text.splitlines()))
        where = source if mark is None or not lines else f"{source}, line {min(mark.line + 1, last)}"
        hint = "; indent with blanks instead of tabs" if "\t" in text else ""
        raise LbtError(f"{where}: is not YAML: {error.problem or error.context}{hint}.") from error
    except yaml.YAMLError as error:
        raise LbtError(f"{source}: is not YAML: {' '.join(str(error).split())}.") from error


def _kind(node: yaml.Node) -> str:
    """The type that YAML gives to a node, such as `int`."""
    return str(node.tag).rpartition(":")[2]


_Item = tuple[yaml.Node, yaml.Node]
"""A key and its value."""


class _Builder:
    """Builds the values of a tree and notes their places."""

    def __init__(self, source: str, lines: bool) -> None:
        self.source, self.lines = source, lines
        self.found, self.count = Document(), 0
        self.open: set[int] = set()

    def build(self, node: yaml.MappingNode) -> Document:
        self.found.content = self._section(node, ())
        return self.found

    def _value(self, node: yaml.Node, keys: Keys, key: yaml.Node | None = None) -> Any:
        """The value of a node. Its place is that of its key, which may stand in the line above."""
        self.count += 1
        if self.count > _MOST:
            raise LbtError(f"{self.source}: holds more than {_MOST} values, because aliases repeat; settings do not.")
        if isinstance(node, yaml.ScalarNode):
            plain = not node.style  # the C parser says '', the other None
            self.found.places[keys] = self._place(key or node, node.value if plain else None, quoted=not plain)
            return self._scalar(node, keys)
        if id(node) in self.open:
            raise LbtError(f"{self._where(node)}: {_name(keys)} contains itself by an alias; write it out.")
        self.found.places[keys] = self._place(key or node)
        if _kind(node) not in ("map", "seq"):
            self._problem(keys, node, _UNKNOWN_TAG.format(node.tag))
        self.open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            value: Any = self._section(node, keys)
        else:
            value = [self._value(item, (*keys, place)) for place, item in enumerate(node.value)]
        self.open.remove(id(node))
        return value

    def _section(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        """The values of a section; those that `<<` merges into it stand behind its own."""
        own, first = dict[str, _Item](), dict[str, int]()
        merged: list[tuple[str, _Item]] = []
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                self._problem((*keys, "?"), key, "a list or section cannot be a key")
            elif name in first:
                self._problem((*keys, name), key, f"is given twice, first in line {first[name]}; keep one of them")
            else:
                first[name] = key.start_mark.line + 1
                if _kind(key) == "merge":
                    merged += self._merged(value, keys)
                else:
                    own[name] = key, value
        nodes = dict(reversed(merged)) | own  # of equal keys, the first merged one counts
        return {name: self._value(value, (*keys, name), key) for name, (key, value) in nodes.items()}

    def _merged(self, node: yaml.Node, keys: Keys) -> Iterator[tuple[str, _Item]]:
        """The keys that `<<` adds, those of the first section first."""
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if id(part) in self.open or not isinstance(part, yaml.MappingNode):
                self._problem((*keys, "<<"), node, "needs another section (`<<: *name`) or a list of sections")
                continue
            self.open.add(id(part))
            inherited: list[tuple[str, _Item]] = []
            for key, value in part.value:
                self.count += 1
                if _kind(key) == "merge":
                    inherited += self._merged(value, keys)
                elif isinstance(key, yaml.ScalarNode):
                    yield key.value, (key, value)
            self.open.remove(id(part))
            yield from inherited

    def _scalar(self, node: yaml.ScalarNode, keys: Keys) -> Any:
        text, kind = str(node.value), _kind(node)
        if kind == "null" and not text:
            self._problem(keys, node, "has no value; write one behind the colon, or remove the key")
        if kind == "null" and text.lower() in ("", "~", "null"):
            return None
        if kind == "bool" and text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        if kind == "int" and _DECIMAL.fullmatch(text):
            return int(text)
        if kind == "float" and _SPECIAL.fullmatch(text):
            return float(text.replace(".", ""))
        if kind == "float" and _FRACTION.fullmatch(text):
            return float(text)
        if kind in ("int", "float", "timestamp"):
            self._problem(keys, node, _misread(text, kind))
        elif kind not in ("str", "value", "merge"):
            self._problem(keys, node, _UNKNOWN_TAG.format(node.tag))
        elif any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
            self._problem(keys, node, f"{shorten(ascii(text))} holds a character that cannot be shown; remove it")
        return text

    def _problem(self, keys: Keys, node: yaml.Node, what: str) -> None:
        self.found.problems.append((keys, self._place(node), what))

    def _place(self, node: yaml.Node, written: str | None = None, *, quoted: bool = False) -> Place:
        return Place(self.source, node.start_mark.line + 1 if self.lines else None, written, quoted)

    def _where(self, node: yaml.Node) -> str:
        return f"{self.source}, line {node.start_mark.line + 1}" if self.lines else self.source


def _misread(text: str, kind: str) -> str:
    """What YAML makes of a number or date that is written in another form than a decimal number."""
    if kind == "timestamp":
        return f'YAML reads {text} as a date; write "{text}" for the text'
    if len(text) > 40:
        return f"{shorten(text)} has too many digits"
    try:
        value = yaml.safe_load(text)
    except ValueError:  # such as 0x_
        value = None
    if not isinstance(value, int | float):
        return f'{text} is not a number; write "{text}" for the text'
    if str(value) == text:
        return f"{text} has too many digits"
    plain = text.replace("_", "")
    numbers = sorted({str(value), plain.lstrip("0") or "0"} if plain.isdigit() else {str(value)}, key=len)
    return f'YAML reads {text} as {value}; write {" or ".join(numbers)} for the number, or "{text}" for the text'


def shorten(text: str) -> str:
    """The beginning of a text, for a message."""
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _name(keys: Keys) -> str:
    return ".".join(map(str, keys))
