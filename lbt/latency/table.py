"""The lookup table: measured milliseconds of every operator shape, keyed by where and how they were measured."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from lbt.config import ComputeSettings, LatencySettings
from lbt.errors import LbtError
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


def settings_key(latency: LatencySettings, compute: ComputeSettings, classes: int) -> dict[str, str | int]:
    """The fields of a key that settings and data determine, whatever the device."""
    return {
        "backend": latency.backend,
        "precision": latency.precision,
        "input_height": latency.input_size[0],
        "input_width": latency.input_size[1],
        "threads": compute.threads,
        "classes": classes,
    }


def current_key(latency: LatencySettings, compute: ComputeSettings, device: torch.device, classes: int) -> TableKey:
    """The key of a measurement made now, on `device`, with these settings."""
    fixed = settings_key(latency, compute, classes)
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
            line), a part that stands twice, rows of different keys, or no row.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            columns = tuple(reader.fieldnames or ())
    except OSError as error:
        raise LbtError(f"{path}: could not be read ({error.strerror}). Run the stage `latency table`.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise LbtError(f"{path}: is not a CSV table ({error}). Delete it and rerun the latency table.") from error
    if columns != COLUMNS:
        raise LbtError(
            f"{path}: has the columns {', '.join(columns) or 'none'}; needed are {', '.join(COLUMNS)}. Delete it and "
            "rerun the latency table."
        )
    if not rows:
        raise LbtError(f"{path}: holds no row. Delete it and rerun the latency table.")
    keys, milliseconds = set(), {}
    for line, row in rows:
        key, part, ms = _parse(path, line, row)
        if part in milliseconds:
            raise LbtError(f"{path}, line {line}: {part} stands twice. Delete the file and rerun the latency table.")
        keys.add(key)
        milliseconds[part] = ms
        if len(keys) > 1:
            raise LbtError(
                f"{path}, line {line}: measured elsewhere than the lines before ({key}). One table has one device, "
                "size and software: delete the file and rerun the latency table."
            )
    return LatencyTable(path, keys.pop(), milliseconds)


def _parse(path: Path, line: int, row: Mapping[str, str]) -> tuple[TableKey, Part, float]:
    try:
        key = TableKey(**{f.name: int(row[f.name]) if f.type == "int" else row[f.name] for f in fields(TableKey)})
        part = Part(**{f.name: int(row[f.name]) if f.type == "int" else row[f.name] for f in fields(Part)})
        ms = float(row["median_ms"])
    except (TypeError, ValueError) as error:
        raise LbtError(f"{path}, line {line}: cannot be read ({error}). Delete it and rerun the table.") from error
    if not (math.isfinite(ms) and ms >= 0):
        raise LbtError(f"{path}, line {line}: median_ms is {ms}. Delete the file and rerun the latency table.")
    return key, part, ms
