"""Rows of per-step measurements, written as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from lbt.files import guard_cell, write_text


def write_metrics(
    path: Path, rows: Sequence[Mapping[str, float | int | str]], columns: Sequence[str] | None = None
) -> None:
    """Write rows with equal keys as CSV; a value that is NaN or infinite becomes a blank cell.

    Args:
        path: the file.
        rows: values by column.
        columns: the columns, for a table that may have no row; by default those of the rows.

    Raises:
        ValueError: no row and no columns, or rows with different keys.
    """
    if columns is None:
        if not rows:
            raise ValueError(f"{path}: no rows to write")
        columns = list(rows[0])
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        if set(row) != set(columns):
            raise ValueError(f"{path}: keys {sorted(row)} differ from {sorted(columns)}")
        writer.writerow({key: _cell(value) for key, value in row.items()})
    write_text(path, text.getvalue())


def _cell(value: float | int | str) -> float | int | str:
    return "" if isinstance(value, float) and not math.isfinite(value) else guard_cell(value)
