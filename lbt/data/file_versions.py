"""Versions of the files of a data set: stages rerun if a file that they read has changed.

A data set has thousands of files: too many to be inputs of every rule, and too large to be read at every start. The
check of the data set therefore writes a record (`files.csv`) with the size, time and digest of each file. At the start
of a run, sizes and times are compared with the record. Only a file with another time is read, and it counts as
unchanged if its digest is the recorded one. Changed files are inspected at once: rerunning the check instead would make
all later stages rerun.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lbt.config import DataSettings, SplitSettings
from lbt.data.sample import Sample
from lbt.data.write_split import split_dataset
from lbt.errors import LbtError
from lbt.files import digest, guard_cell, read_csv, sha256, write_text

RECORD = "files.csv"
"""Name of the record, which lies beside the report of the check."""

_THREADS = 4


@dataclass(frozen=True)
class Content:
    """A file when it was last read.

    Attributes:
        file: path below `data.root`.
        bytes: size.
        mtime_ns: time of its last change in nanoseconds.
        sha256: digest of its content.
        first_seen: size and time when the run first saw it.
        first_sha256: digest of its content then.
    """

    file: str
    bytes: int
    mtime_ns: int
    sha256: str
    first_seen: str
    first_sha256: str

    @property
    def version(self) -> str:
        """The value that stages compare; for the first content it is size and time, because that was not yet read."""
        return self.first_seen if self.sha256 == self.first_sha256 else self.sha256


_COLUMNS = tuple(field.name for field in fields(Content))


@dataclass(frozen=True)
class DataVersions:
    """Versions of a data set, which the stages of a run compare.

    Attributes:
        split: digest of the names, groups and roles of all images and masks.
        roles: for each role, the digest of the versions of its images and masks.
    """

    split: str
    roles: Mapping[str, str]

    def of(self, roles: Iterable[str]) -> dict[str, str]:
        """The digests of some roles."""
        return {role: self.roles[role] for role in sorted(roles)}


def data_versions(
    data: DataSettings,
    splits: SplitSettings,
    record: Path,
    *,
    inspect: Callable[[Sequence[Sample]], None],
    note: Callable[[str], None],
) -> tuple[DataVersions, Mapping[str, Content]]:
    """The versions of the data set as it is now; nothing is written.

    Args:
        data: the data set.
        splits: its division into roles.
        record: the run's `files.csv`.
        inspect: called with the samples whose content has changed since they were recorded. It raises LbtError if they
            cannot be used.
        note: called with a line for the log if files have to be read.

    Returns:
        The versions, and the present contents for `write_record`; empty if the record already holds them.

    Raises:
        LbtError: the root or the partner of a file is missing, there are too few groups, or the record is damaged.
    """
    roles, root = split_dataset(data, splits), Path(data.root)
    known = read_record(record)
    now = {file: _stat(root, file) for file in _files(roles)}
    touched = [file for file in now if file in known and (known[file].bytes, known[file].mtime_ns) != now[file]]
    if touched:
        note(f"{root}: {len(touched)} file(s) have a new time since they were checked; comparing their contents.")
        read = {content.file: content for content in _read_all(root, touched, known)}
        changed = {file for file, content in read.items() if content.sha256 != known[file].sha256}
        if changed:
            samples = {sample for members in roles.values() for sample in members}
            inspect(sorted(sample for sample in samples if {sample.image, sample.label} & changed))
        known |= read
    versions = {file: known[file].version if file in known else _stamp(*stat) for file, stat in now.items()}
    rows = {role: [(s.id, s.image, s.label, s.group) for s in samples] for role, samples in roles.items()}
    found = DataVersions(
        digest(rows),
        {role: digest([versions[file] for file in _files({role: samples})]) for role, samples in roles.items()},
    )
    return found, known if touched else {}


def record_contents(data: DataSettings, splits: SplitSettings, record: Path) -> None:
    """Read every file of the data set and write the record; a file with its recorded content keeps its version.

    Raises:
        LbtError: see `data_versions`; or a file cannot be read.
    """
    root = Path(data.root)
    contents = _read_all(root, _files(split_dataset(data, splits)), read_record(record))
    write_record(record, {content.file: content for content in contents})


def read_record(path: Path) -> dict[str, Content]:
    """The recorded content of each file; empty if there is no record yet.

    Raises:
        LbtError: the record cannot be read.
    """
    if not path.exists():
        return {}

    def parse(row: dict[str, str]) -> Content:
        return Content(
            file=row["file"],
            bytes=int(row["bytes"]),
            mtime_ns=int(row["mtime_ns"]),
            sha256=row["sha256"],
            first_seen=row["first_seen"],
            first_sha256=row["first_sha256"],
        )

    return {content.file: content for content in read_csv(path, _COLUMNS, parse, stage="check")}


def write_record(path: Path, contents: Mapping[str, Content]) -> None:
    """Write the record, sorted by file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = (asdict(contents[file]) for file in sorted(contents))
    writer.writerows({name: guard_cell(value) for name, value in row.items()} for row in rows)
    write_text(path, text.getvalue())


def _files(roles: Mapping[str, Iterable[Sample]]) -> list[str]:
    found = {file for samples in roles.values() for sample in samples for file in (sample.image, sample.label)}
    return sorted(file for file in found if file is not None)


def stat_digests(root: Path | str, samples: Iterable[Sample]) -> dict[str, str]:
    """Size and time of each image and mask of `samples`, by file; `missing` for a file that does not exist."""
    found = {}
    for file in _files({"": samples}):
        try:
            found[file] = _stamp(*_stat(Path(root), file))
        except OSError:
            found[file] = "missing"
    return found


def _stat(root: Path, file: str) -> tuple[int, int]:
    found = os.stat(root / file)
    return found.st_size, found.st_mtime_ns


def _stamp(size: int, mtime_ns: int) -> str:
    return f"{size}@{mtime_ns}"


def _read_all(root: Path, files: Iterable[str], known: Mapping[str, Content]) -> list[Content]:
    def read(file: str) -> Content:
        size, mtime_ns = _stat(root, file)
        found, before = sha256(root / file), known.get(file)
        first = (_stamp(size, mtime_ns), found) if before is None else (before.first_seen, before.first_sha256)
        return Content(file, size, mtime_ns, found, *first)

    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(read, files))
    except OSError as error:
        raise LbtError(f"{error.filename}: could not be read ({error.strerror}). Restore it.") from error
