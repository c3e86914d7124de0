"""The range of latency that the space reaches, and whether a wanted window meets it, before the search begins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.jobs import DerivationReachJob, SearchReachJob
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.latency.table import read_table, settings_key
from lbt.latency.window import check_window, reachable_latency
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        table: the latency table.
        reach: receives the range as JSON: `least_ms`, `greatest_ms`, `least_fps`, `greatest_fps`, and the `window`,
            the lowest and highest wanted frames per second.
    """

    table: Path
    reach: Path


def run(settings: SearchReachJob | DerivationReachJob, files: Files, *, log: Path | None = None) -> None:
    """Write the range of latency that the space reaches.

    Raises:
        LbtError: no window is set, or no architecture of the space meets it; the table belongs to other settings or
            another space.
    """
    measured = read_table(files.table)
    measured.check_key(settings_key(settings.latency, settings.compute.threads, class_table(settings.data).num_classes))
    if isinstance(settings, SearchReachJob):
        setting, fps = "search.fps", settings.search.fps
    else:
        setting, fps = "derivation.fps", settings.derivation.fps
    if fps is None:
        raise LbtError(f"{setting}: is not set, so there is no window to check. Set it.")
    check_window(fps, settings.space, measured, setting)
    least, greatest = reachable_latency(settings.space, measured)
    write_json(
        files.reach,
        {
            "least_ms": least,
            "greatest_ms": greatest,
            "least_fps": 1000 / greatest,
            "greatest_fps": 1000 / least,
            "window": list(fps),
        },
    )
    with Progress("reachable latency", 1, log) as progress:
        progress.advance(least_fps=1000 / greatest, greatest_fps=1000 / least)
