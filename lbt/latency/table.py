"""The lookup table: measured milliseconds of every operator shape, keyed by where and how they were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from lbt.config import LatencyKey
from lbt.errors import LbtError
from lbt.files import read_csv
from lbt.latency.parts import Part


@dataclass(frozen=True)
class TableKey:
    """What a latency depends on besides the operator: tables with other keys cannot be compared.

    Attributes:
        device: name of the processor or GPU.
        backend: how the module was run, such as `eager`.
        precision: number format, such as `float32`.
        input_height: height of the image in pixels.
        input_width: width of the image in pixels.
        threads: CPU threads.
        classes: number of classes, which the last convolution puts out.
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


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of every part, at one key.

    Attributes:
        path: the file that it came from, for messages.
        key: where and how the parts were measured.
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
                f"{self.path}: has no row for {part}. The table belongs to another search space: delete it and rerun "
                "the latency table."
            ) from None

    def check_key(self, expected: Mapping[str, str | int]) -> None:
        """Compare the table's key with what is needed.

        A stage that only predicts compares `settings_key`: it may run on another device and with other versions than
        those whose latency it predicts. The profile measures beside the table and compares the whole `current_key`.

        Args:
            expected: fields of `TableKey` and their values here; the table may have any value in the other fields.

        Raises:
            LbtError: they differ; the message shows each field that does, from both sides.
        """
        mine = asdict(self.key)
        different = [
            f"{name}: {mine[name]!r} in the table, {value!r} here"
            for name, value in expected.items()
            if mine[name] != value
        ]
        if different:
            raise LbtError(
                f"{self.path}: was measured otherwise than this stage needs ({'; '.join(different)}). Measure the "
                "table again as this stage needs it, or run this stage as the table was measured."
            )


KEY_COLUMNS = tuple(field.name for field in fields(TableKey))
PART_COLUMNS = tuple(field.name for field in fields(Part))
COLUMNS = (*KEY_COLUMNS, *PART_COLUMNS, "median_ms", "iqr_ms")


def settings_key(latency: LatencyKey, threads: int, classes: int) -> dict[str, str | int]:
    """The fields of a key that settings and data determine, whatever the device."""
    return {
        "backend": latency.backend,
        "precision": latency.precision,
        "input_height": latency.input_size[0],
        "input_width": latency.input_size[1],
        "threads": threads,
        "classes": classes,
    }


def current_key(latency: LatencyKey, threads: int, device: torch.device, classes: int) -> TableKey:
    """The key of a measurement made now, on `device`, with these settings."""
    fixed = settings_key(latency, threads, classes)
    return TableKey(device=device_name(device), software=_software(device), **fixed)


def device_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor and the vector instructions that PyTorch uses on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else 'CPU'} ({torch.backends.cpu.get_cpu_capability()})"


def _software(device: torch.device) -> str:
    if device.type == "cuda":
        return f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"torch {torch.__version__}"


def read_table(path: Path) -> LatencyTable:
    """Read a table.

    Raises:
        LbtError: missing file, other columns, a value that cannot be read or is negative or not finite (with its
            line), a part that is listed twice, rows of different keys, or no row.
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
                f"measured elsewhere than the previous lines ({key}), but a table has one device, size and software"
            )
        keys.add(key)
        milliseconds[part] = median

    read_csv(path, COLUMNS, parse, stage="latency")
    if not keys:
        raise LbtError(f"{path}: holds no row. Delete it and rerun the stage `latency`.")
    return LatencyTable(path, keys.pop(), milliseconds)


def _fields(kind: type[TableKey | Part], row: Mapping[str, str]) -> dict[str, Any]:
    return {field.name: int(row[field.name]) if field.type == "int" else row[field.name] for field in fields(kind)}
