"""The range of latency that the space reaches, and whether the wanted windows meet it: asked before the search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.jobs import ReachJob
from lbt.data.classes import class_table
from lbt.files import write_json
from lbt.latency.table import read_table, settings_key
from lbt.latency.window import check_window, reachable_latency
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        table: the latency table.
        reach: receives the range as JSON: `least_ms`, `greatest_ms`, `least_fps`, `greatest_fps`, and the `windows`,
            which holds each wanted window, lowest and highest frames per second, by the name of its setting.
    """

    table: Path
    reach: Path


def run(settings: ReachJob, files: Files, *, log: Path | None = None) -> None:
    """Write the range of latency that the space reaches.

    Raises:
        LbtError: no architecture of the space meets a window; the table was measured differently than the settings say,
            or belongs to another space.
    """
    measured = read_table(files.table)
    measured.check_key(settings_key(settings.latency, settings.compute.threads, class_table(settings.data).num_classes))
    wanted = {"search.fps": settings.search.fps, "derivation.fps": settings.derivation.fps}
    windows = {setting: fps for setting, fps in wanted.items() if fps is not None}
    for setting, fps in windows.items():
        check_window(fps, settings.space, measured, setting)
    least, greatest = reachable_latency(settings.space, measured)
    write_json(
        files.reach,
        {
            "least_ms": least,
            "greatest_ms": greatest,
            "least_fps": 1000 / greatest,
            "greatest_fps": 1000 / least,
            "windows": {setting: list(fps) for setting, fps in windows.items()},
        },
    )
    with Progress("reachable latency", 1, log) as progress:
        progress.advance(least_fps=1000 / greatest, greatest_fps=1000 / least)
