"""The stage that measures the latency lookup table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lbt.config.jobs import LatencyJob
from lbt.data.classes import class_table
from lbt.latency.measuring import measure_parts
from lbt.latency.partial_rows import PartialRows
from lbt.latency.parts import space_parts
from lbt.latency.table import current_key
from lbt.provenance.fingerprint import fingerprint
from lbt.runtime.device import prepare_device
from lbt.runtime.metrics_csv import write_metrics


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        table: CSV with a row per part and the columns `lbt.latency.table.COLUMNS`.
    """

    table: Path


def run(settings: LatencyJob, files: Files, *, log: Path | None = None) -> None:
    """Measure every part that a derived network of the space can have, and write the table.

    A part's time is the median of its blocks (`measure_parts`), which are kept in a side file (`PartialRows`) until the
    table is written: a run after one that was stopped resumes from there.
    """
    device = prepare_device(settings.compute)
    classes = class_table(settings.data).num_classes
    key = asdict(current_key(settings.latency, settings.compute.threads, device, classes))
    parts = space_parts(settings.space, classes)
    how = {"min_run_seconds": settings.latency.min_run_seconds, "code": fingerprint("lbt.latency.table")}
    rows = PartialRows(files.table, key | how)
    measure_parts(
        parts,
        rows,
        space=settings.space,
        size=settings.latency.input_size,
        device=device,
        threads=settings.compute.threads,
        seconds=settings.latency.min_run_seconds,
        log=log,
    )
    write_metrics(files.table, [{**key, **asdict(part), **_summary(rows.blocks[part])} for part in parts])
    rows.remove()


def _summary(blocks: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.percentile(blocks, (25, 50, 75)).tolist()
    return {"median_ms": round(middle, 6), "iqr_ms": round(high - low, 6)}
