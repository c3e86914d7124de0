"""The range of latency that the space reaches, and whether the wanted window meets it: asked before the search."""

from __future__ import annotations

from pathlib import Path

from lbt.artifacts import write_json
from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.table import read_table
from lbt.latency.window import check_window, reachable_latency
from lbt.progress import Progress


def run(*, space: SpaceSettings, search: SearchSettings, table: Path, output: Path, log: Path | None = None) -> None:
    """Write the reachable range as JSON: `least_ms`, `greatest_ms`, `least_fps`, `greatest_fps`, and the window `fps`.

    Args:
        space: the search space.
        search: its `fps` is the wanted window.
        table: the latency table.
        output: the JSON file.
        log: file for plain progress lines.

    Raises:
        LbtError: no architecture of the space meets the window, or the table belongs to another space.
    """
    measured = read_table(table)
    check_window(search.fps, space, measured, "search.fps")
    least, greatest = reachable_latency(space, measured)
    write_json(
        output,
        {
            "least_ms": least,
            "greatest_ms": greatest,
            "least_fps": 1000 / greatest,
            "greatest_fps": 1000 / least,
            "fps": list(search.fps),
        },
    )
    with Progress("reachable latency", 1, log) as progress:
        progress.advance(least_fps=1000 / greatest, greatest_fps=1000 / least)
