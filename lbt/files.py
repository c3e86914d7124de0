"""Files that are whole or absent: atomic writes, leftovers, digests."""

from __future__ import annotations

import csv
import errno
import glob
import hashlib
import json
import math
import os
import platform
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pydantic_core import from_json

from lbt.errors import LbtError

T = TypeVar("T")

SCHEMA_VERSION = 1
_TEMPORARY = ".partial"
_LARGEST = 2**24  # characters of a JSON file
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]inf")


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes `path`'s name, on any error it is removed.

    The file is flushed to disk before the rename, so a reader sees the old file or the whole new one.

    Raises:
        LbtError: the folder cannot be written or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL, 0o666))  # a link of this name must not be followed
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        with suppress(OSError):  # also where its folder is a file
            temporary.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the operating system in the `with` block into a message that names the file."""
    try:
        yield
    except OSError as error:
        raise LbtError(
            f"{path}: could not be written ({error.strerror or error}). Free space or choose another place; "
            "nothing half-written was left behind."
        ) from error


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Delete the temporary files that `atomic_path` left of these paths in processes that were killed.

    The caller knows that no other process writes them; see `lbt.provenance.lock`.
    """
    for path in paths:
        for leftover in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
            with suppress(OSError):  # of a folder of this name
                leftover.unlink()


def require_own_folders(folder: Path) -> None:
    """Check that no folder below a folder of results is a link that leads out of it, because stages write there.

    The folder itself may be a link, such as to a larger disk.

    Raises:
        LbtError: there is such a link.
    """
    for place, names, _ in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
                raise LbtError(
                    f"{path}: is a link to {path.resolve()}, where results would replace other files. Remove the link; "
                    f"for results on another disk make {folder} itself a link."
                )


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def open_own(path: str, flags: int) -> int:
    """An `opener` for files that are written in place, such as logs and locks.

    Raises:
        OSError: writing would change something else, because a link, pipe or device has this name.
    """
    file = open_regular(path, flags & ~os.O_TRUNC | os.O_NOFOLLOW)
    if os.fstat(file).st_nlink > 1:
        os.close(file)
        raise OSError(errno.EMLINK, "it is a link", path)
    if flags & os.O_TRUNC:
        os.ftruncate(file, 0)
    return file


def open_regular(path: str, flags: int) -> int:
    """An opener that refuses pipes and devices, from which a reader would wait or read for ever."""
    file = os.open(path, flags | os.O_NONBLOCK, 0o666)
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, "it is not a regular file", path)
    return file


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically. NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON.

    Raises:
        LbtError: the file is missing, unreadable, too large or not JSON: NaN, infinite numbers and keys that are given
            twice are refused.
    """
    try:
        with open(path, encoding="utf-8", opener=open_regular) as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} characters")
        from_json(text, allow_inf_nan=False)  # refuses NaN, halves of characters and what is nested too deeply
        return json.loads(text, parse_float=_finite, object_pairs_hook=_unique)
    except OSError as error:
        raise LbtError(f"{path}: could not be read ({error.strerror}). Run the stage that makes it.") from error
    except ValueError as error:
        raise LbtError(f"{path}: is not JSON ({error}). Delete it and rerun the stage that makes it.") from error


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"a key is given twice in {{{', '.join(key for key, _ in pairs)[:100]}}}")
    return found


def read_csv(path: Path | str, columns: Sequence[str], parse: Callable[[dict[str, str]], T], *, stage: str) -> list[T]:
    """Read a CSV table that has exactly these columns.

    Args:
        path: the file.
        columns: the names in its first line, in order.
        parse: turns a row, as text by column without the guard of `guard_cell`, into a value; its ValueError says what
            is wrong with the row.
        stage: the stage that makes the file, for messages.

    Returns:
        The value of each row, in the order of the file.

    Raises:
        LbtError: the file is missing, is not a CSV table, or has other columns; a row has another number of values
            or is refused by `parse` (both with the line).
    """
    remedy = f"Delete it and rerun the stage `{stage}`."
    try:
        with open(path, encoding="utf-8", newline="", opener=open_regular) as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            found = tuple(reader.fieldnames or ())
    except OSError as error:
        raise LbtError(f"{path}: could not be read ({error.strerror}). Run the stage `{stage}`.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise LbtError(f"{path}: is not a CSV table ({error}). {remedy}") from error
    if found != tuple(columns):
        names = ", ".join(found) or "none"
        raise LbtError(f"{path}: has the columns {names}; needed are {', '.join(columns)}. {remedy}")
    values = []
    for line, row in rows:
        try:
            if None in row or None in row.values():  # where csv puts surplus and absent values
                raise ValueError(f"does not have {len(columns)} values")
            values.append(parse({name: unguard_cell(text) for name, text in row.items()}))
        except ValueError as error:
            raise LbtError(f"{path}, line {line}: {error}. {remedy}") from error
    return values


def guard_cell(value: T) -> T | str:
    """The value of a cell of a CSV table; a text that a spreadsheet would run as a formula gets an apostrophe in front.

    Numbers do not change. `read_csv` removes the apostrophe.
    """
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def unguard_cell(text: str) -> str:
    """The text before `guard_cell`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def sha256(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb", opener=open_regular) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of `value`'s canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def software_versions() -> dict[str, str]:
    """Versions that can change a result."""
    from importlib.metadata import version

    return {"python": platform.python_version(), **{name: version(name) for name in ("torch", "torchvision", "numpy")}}
