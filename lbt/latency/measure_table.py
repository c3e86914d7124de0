"""The stage that measures the latency lookup table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lbt.config import ComputeSettings, DataSettings, LatencySettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.latency.measuring import measure_parts
from lbt.latency.partial_rows import PartialRows
from lbt.latency.parts import space_parts
from lbt.latency.table import current_key
from lbt.provenance.fingerprint import fingerprint
from lbt.runtime.device import prepare_device
from lbt.runtime.metrics_csv import write_metrics


def run(
    *,
    space: SpaceSettings,
    data: DataSettings,
    latency: LatencySettings,
    compute: ComputeSettings,
    output: Path,
    log: Path | None = None,
) -> None:
    """Measure every part that a derived network of the space can have, and write the table.

    A part's time is the median of its blocks (`measure_parts`), which are kept in a side file (`PartialRows`) until the
    table is written: a run after one that was stopped goes on where that stopped.

    Args:
        space: the search space.
        data: gives the number of classes.
        latency: input size, backend, precision and measuring time.
        compute: device and threads.
        output: the CSV file; one row per part, with the columns `COLUMNS`.
        log: file for plain progress lines.
    """
    device = prepare_device(compute)
    classes = class_table(data).num_classes
    key = asdict(current_key(latency, compute, device, classes))
    parts = space_parts(space, classes)
    how = {"min_run_seconds": latency.min_run_seconds, "code": fingerprint("lbt.latency.table")}
    rows = PartialRows(output, key | how)
    measure_parts(
        parts,
        rows,
        space=space,
        size=latency.input_size,
        device=device,
        threads=compute.threads,
        seconds=latency.min_run_seconds,
        log=log,
    )
    write_metrics(output, [{**key, **asdict(part), **_summary(rows.blocks[part])} for part in parts])
    rows.remove()


def _summary(blocks: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.percentile(blocks, (25, 50, 75)).tolist()
    return {"median_ms": round(middle, 6), "iqr_ms": round(high - low, 6)}
