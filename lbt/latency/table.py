"""The latency lookup table (CSV): measured milliseconds of each part, with the device and settings as its key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

from lbt.config import LatencyKey
from lbt.errors import LbtError
from lbt.files import read_csv
from lbt.latency.parts import Part


@dataclass(frozen=True)
class TableKey:
    """Everything on which latencies depend besides the part. Tables with different keys cannot be compared.

    Attributes:
        device: name of the processor or GPU.
        backend: how the modules were run, such as `eager`.
        precision: number format, such as `float32`.
        input_height: height of the image in pixels.
        input_width: width of the image in pixels.
        threads: CPU threads.
        classes: number of classes, the output channels of the last convolution.
        software: versions of PyTorch and, on a GPU, of CUDA and cuDNN.
    """

    device: str
    backend: str
    precision: str
    input_height: int
    input_width: int
    threads: int
    classes: int
    software: str


class SettingsKey(TypedDict):
    """The fields of a `TableKey` that depend on settings and data, but not on the device."""

    backend: str
    precision: str
    input_height: int
    input_width: int
    threads: int
    classes: int


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of every part, for one key.

    Attributes:
        path: the table's file, for messages.
        key: device, software and settings of the measurement.
        milliseconds: median of each part.
    """

    path: Path
    key: TableKey
    milliseconds: Mapping[Part, float]

    def lookup(self, part: Part) -> float:
        """Median milliseconds of `part`.

        Raises:
            LbtError: the part was not measured.
        """
        try:
            return self.milliseconds[part]
        except KeyError:
            raise LbtError(
                f"{self.path}: has no row for {part}, because it belongs to another search space. Delete it and rerun "
                "the stage `latency`."
            ) from None

    def check_key(self, expected: Mapping[str, object]) -> None:
        """Refuse the table if its key differs from the expected one.

        A stage that only predicts compares `settings_key`, because it may run on another device and with other versions
        than those whose latency it predicts. The profile compares the whole key, because it measures the same parts
        again.

        Args:
            expected: fields of `TableKey` and their values here; the other fields of the table may have any value.

        Raises:
            LbtError: the keys differ; the message shows both values of each field that differs.
        """
        actual = asdict(self.key)
        different = [
            f"{name}: {actual[name]!r} in the table, {value!r} here"
            for name, value in expected.items()
            if actual[name] != value
        ]
        if different:
            raise LbtError(
                f"{self.path}: was measured with different settings than this stage needs ({'; '.join(different)}). "
                "Measure the table again with the settings of this stage, or run this stage with those of the table."
            )


KEY_COLUMNS = tuple(field.name for field in fields(TableKey))
PART_COLUMNS = tuple(field.name for field in fields(Part))
COLUMNS = (*KEY_COLUMNS, *PART_COLUMNS, "median_ms", "iqr_ms")


def settings_key(latency: LatencyKey, threads: int, classes: int) -> SettingsKey:
    """The fields of a key that settings and data determine, on any device."""
    return {
        "backend": latency.backend,
        "precision": latency.precision,
        "input_height": latency.input_size[0],
        "input_width": latency.input_size[1],
        "threads": threads,
        "classes": classes,
    }


def read_table(path: Path) -> LatencyTable:
    """Read a table.

    Raises:
        LbtError: the file is missing or has other columns; a value cannot be read, is negative or is not finite (with
            its line); a part is listed twice; the rows have different keys; or there is no row.
    """
    keys: set[TableKey] = set()
    milliseconds: dict[Part, float] = {}

    def parse(row: Mapping[str, str]) -> None:
        key, part, median = TableKey(**_fields(TableKey, row)), Part(**_fields(Part, row)), float(row["median_ms"])
        if not (math.isfinite(median) and median >= 0):
            raise ValueError(f"median_ms is {median}")
        if part in milliseconds:
            raise ValueError(f"{part} is listed twice")
        if keys and key not in keys:
            raise ValueError(
                f"has another key than the previous lines ({key}), but a table has one device, size and software"
            )
        keys.add(key)
        milliseconds[part] = median

    read_csv(path, COLUMNS, parse, stage="latency")
    if not keys:
        raise LbtError(f"{path}: holds no row. Delete it and rerun the stage `latency`.")
    return LatencyTable(path, keys.pop(), milliseconds)


def _fields(kind: type[TableKey | Part], row: Mapping[str, str]) -> dict[str, Any]:
    return {field.name: int(row[field.name]) if field.type == "int" else row[field.name] for field in fields(kind)}
