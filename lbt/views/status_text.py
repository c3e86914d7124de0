"""The state of a run in a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lbt.views.best_network import Found
from lbt.views.index import INDEX
from lbt.views.run_state import FAILED, FINISHED, RUNNING, STOPPED, RunState, WorkingJob, describe_seconds
from lbt.views.tables.formats import format_percent
from lbt.views.tables.terminal import terminal_width

_COLORS = {RUNNING: "blue", FINISHED: "green", FAILED: "red", STOPPED: "yellow"}


def make_console() -> Console:
    """A console that shows names as they are, as wide as the terminal."""
    return Console(width=terminal_width(), highlight=False, markup=False, emoji=False)


def show_state(run: Path, state: RunState, found: Found, disk: str) -> Group:
    """Where a run stands.

    Args:
        run: its folder.
        state: where it stands.
        found: its finished networks.
        disk: what it takes on the disk, in words.
    """
    return Group(*_parts(run, state, found, disk))


def _parts(run: Path, state: RunState, found: Found, disk: str) -> Iterator[RenderableType]:
    yield Text.assemble((f"{run}", "bold"), "  ", (state.state, f"bold {_COLORS[state.state]}"), f"  {_count(state)}")
    if state.state != FINISHED and state.total:
        yield Padding(ProgressBar(total=1.0, completed=state.share, width=min(60, terminal_width())), 0)
    yield Text(state.activity)
    for title, lines in (
        ("running", [_describe(job) for job in state.working]),
        ("waiting", state.waiting),
        ("failed", [line for failure in state.failed for line in failure]),
        ("networks", list(_list_networks(found, state.state == FINISHED))),
        ("warnings", [*state.warnings, *found.problems]),
    ):
        if lines:
            yield Text(f"\n{title}", "bold")
            yield from (Padding(Text(line), (0, 0, 0, 2), expand=False) for line in lines)
    if state.stages:
        yield Text("")
        yield _list_stages(state)
    yield Text(f"\ndisk: {disk}")
    if (run / INDEX).exists():
        yield Text(f"page: {run / INDEX}")


def _count(state: RunState) -> str:
    jobs = f"{state.done} of {state.total} jobs done" if state.total else "no job done yet"
    parts = [jobs, f"{len(state.working)} running"]
    parts += [f"{len(state.waiting)} in Slurm's queue"] if state.waiting else []
    parts += [f"{len(state.failed)} failed"] if state.failed else []
    if state.left is not None:
        end = time.strftime("%H:%M", time.localtime(state.now + state.left))
        guess = f" (a guess until {', '.join(state.guessed)} is measured)" if state.guessed else ""
        parts.append(f"about {describe_seconds(state.left)} left, until about {end}{guess}")
    return ", ".join(parts)


def _describe(job: WorkingJob) -> str:
    step = f", step {job.step} of {job.steps}" if job.steps else ""
    values = "".join(f", {name} {value}" for name, value in job.values.items())
    left = f", about {describe_seconds(job.left)} left" if job.left is not None else ""
    return f"{job.name}{step}{values}, for {describe_seconds(job.seconds)}{left} ({job.where})"


def _list_networks(found: Found, is_finished: bool) -> Iterator[str]:
    best, mark = found.best, " - the best" if is_finished else " - the best so far"
    for network in found.networks:
        scores = f"mIoU {format_percent(network.miou)} %, {network.fps:.1f} FPS"
        yield f"{network.title}{network.mark}: {scores}{mark if network is best else ''}"
    if best is not None:
        yield found.describe_choice()


def _list_stages(state: RunState) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("stage")
    for title in ("done", "jobs", "time of a job"):
        table.add_column(title, justify="right")
    for stage in state.stages:
        seconds = describe_seconds(stage.seconds) if stage.seconds is not None else ""
        table.add_row(stage.name, str(stage.ended), str(stage.planned), seconds)
    return table
