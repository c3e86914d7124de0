"""The range of latency that the space reaches, and whether the wanted windows meet it: asked before the search."""

from __future__ import annotations

from pathlib import Path

from lbt.config import (
    ComputeSettings,
    DataSettings,
    DerivationSettings,
    LatencySettings,
    SearchSettings,
    SpaceSettings,
)
from lbt.data.classes import class_table
from lbt.files import write_json
from lbt.latency.table import read_table, settings_key
from lbt.latency.window import check_window, reachable_latency
from lbt.runtime.progress import Progress


def run(
    *,
    data: DataSettings,
    space: SpaceSettings,
    latency: LatencySettings,
    search: SearchSettings,
    derivation: DerivationSettings,
    compute: ComputeSettings,
    table: Path,
    output: Path,
    log: Path | None = None,
) -> None:
    """Write the reachable range as JSON: `least_ms`, `greatest_ms`, `least_fps`, `greatest_fps`, and the `windows`.

    `windows` holds each wanted window, least and most frames per second, by the name of its setting.

    Args:
        data: gives the number of classes.
        space: the search space.
        latency: input size, backend and precision of the table.
        search: its `fps` is a wanted window.
        derivation: its `fps` is another.
        compute: threads of the table.
        table: the latency table.
        output: the JSON file.
        log: file for plain progress lines.

    Raises:
        LbtError: no architecture of the space meets a window; the table was measured otherwise than the settings say,
            or belongs to another space.
    """
    measured = read_table(table)
    measured.check_key(settings_key(latency, compute, class_table(data).num_classes))
    wanted = {"search.fps": search.fps, "derivation.fps": derivation.fps}
    windows = {setting: fps for setting, fps in wanted.items() if fps is not None}
    for setting, fps in windows.items():
        check_window(fps, space, measured, setting)
    least, greatest = reachable_latency(space, measured)
    write_json(
        output,
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
