"""What a latency table that is still being measured is made of, so that a stopped measurement goes on."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from lbt.errors import LbtError
from lbt.files import write_text
from lbt.latency.parts import Part


class PartialRows:
    """A side file beside a table: a line with the key, then a JSON line with a checksum per timed block of a part.

    It is a cache: a file of another key and damaged lines are dropped.

    Args:
        output: the table; the side file stands beside it.
        key: JSON values of all that the milliseconds depend on besides the part.

    Attributes:
        path: the side file.
        blocks: part -> milliseconds of its blocks, those read and those added, in their order.
        note: what was found in the file, as one line; None if there is no file.
    """

    def __init__(self, output: Path, key: Mapping[str, Any]) -> None:
        self.path = output.with_name(f"{output.name}.partial-rows.jsonl")
        self.key, self._file = dict(key), None
        self.blocks, self.note = self._read()

    def _read(self) -> tuple[defaultdict[Part, list[float]], str | None]:
        blocks: defaultdict[Part, list[float]] = defaultdict(list)
        try:
            first, *lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return blocks, None
        except OSError as error:
            raise LbtError(f"{self.path}: could not be read ({error.strerror}). Delete it and rerun.") from error
        found = _parse(first)
        if found != self.key:
            return blocks, f"{self.path.name}: what it holds is dropped, {_difference(found, self.key)}"
        # What follows the last newline was cut off while it was written, even if it happens to be readable.
        whole = [block for line in lines[:-1] if (block := _block(_parse(line))) is not None]
        for part, milliseconds in whole:
            blocks[part].append(milliseconds)
        damaged = len(lines) - 1 - len(whole)
        again = f"; {damaged} damaged {'one is' if damaged == 1 else 'ones are'} measured again" if damaged else ""
        return blocks, f"{self.path.name}: continues after {len(whole)} timed blocks{again}"

    def __enter__(self) -> PartialRows:
        lines = [self.key, *(_line(part, ms) for part, found in self.blocks.items() for ms in found)]
        write_text(self.path, "".join(f"{json.dumps(line)}\n" for line in lines))
        self._file: TextIO | None = open(self.path, "a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, part: Part, milliseconds: float) -> None:
        """Keep a block of a part; it survives the end of the process.

        Raises:
            LbtError: the file cannot be written.
        """
        self.blocks[part].append(milliseconds)
        try:
            self._file.write(f"{json.dumps(_line(part, milliseconds))}\n")
            self._file.flush()
        except OSError as error:
            raise LbtError(f"{self.path}: could not be written ({error.strerror}). Free space and rerun.") from error

    def remove(self) -> None:
        """Delete the side file, when the whole table has been written."""
        self.path.unlink(missing_ok=True)


def _line(part: Part, milliseconds: float) -> dict[str, Any]:
    values = asdict(part) | {"ms": milliseconds}
    return values | {"crc32": _checksum(values)}


def _checksum(values: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(values).encode())


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _block(line: Any) -> tuple[Part, float] | None:
    """The block in a line, or None if it is not as it was written."""
    if not isinstance(line, dict) or line.pop("crc32", None) != _checksum(line):
        return None
    milliseconds = line.pop("ms")
    return Part(**line), milliseconds


def _difference(found: Any, key: Mapping[str, Any]) -> str:
    if not isinstance(found, dict):
        return "its first line cannot be read"
    names = [name for name in {**key, **found} if found.get(name) != key.get(name)]
    return "; ".join(f"{name} was {found.get(name)!r} and is {key.get(name)!r}" for name in names)
