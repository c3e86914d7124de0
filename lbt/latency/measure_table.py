"""The stage that measures the latency lookup table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lbt.config.jobs import LatencyJob
from lbt.data.classes import class_table
from lbt.latency.current_key import current_key
from lbt.latency.deployment import Deployment
from lbt.latency.measuring import measure_parts
from lbt.latency.parts import list_space_parts
from lbt.runtime.device import prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.resume import Resume


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        table: CSV with a row per part and the columns `lbt.latency.table.COLUMNS`.
    """

    table: Path


def run(settings: LatencyJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Measure every part that a derived network of the space can have, and write the table.

    The time of a part is the median of its blocks (`measure_parts`).

    Args:
        resume: saved blocks from which an interrupted run resumes on the same device; None saves none.
    """
    device = prepare_device(settings.compute)
    classes = class_table(settings.data).num_classes
    key = asdict(current_key(settings.latency, settings.compute.threads, device, classes))
    resume = resume or Resume()
    parts = list_space_parts(settings.space, classes)
    blocks = measure_parts(
        parts,
        space=settings.space,
        size=settings.latency.input_size,
        deployment=Deployment(settings.latency.backend, settings.latency.precision, device, settings.compute.threads),
        seconds=settings.latency.min_run_seconds,
        resume=Resume(resume.path, {**resume.identity, "latency key": key}, resume.minutes),
        log=log,
    )
    low, medians, high = np.percentile(blocks.numpy(), (25, 50, 75), axis=0)
    rows = [
        {**key, **asdict(part), "median_ms": round(median, 6), "iqr_ms": round(spread, 6)}
        for part, median, spread in zip(parts, medians.tolist(), (high - low).tolist(), strict=True)
    ]
    write_metrics(files.table, rows)
