"""`lbt status RUN`: print the status of a run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group

    from lbt.views.run_state import RunState

HELP = "show how far a run is, its time left, and which jobs are running, waiting or failed"
_PAUSE = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the run, and whether to repeat."""
    parser.description = (
        "Reads the logs of a run, asks Slurm if there is one, and prints its progress, time left, last losses, "
        "finished networks, warnings and disk space. Writes nothing."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of the run, such as results/default")
    parser.add_argument("--watch", action="store_true", help="print it again every two seconds until the run ends")


def run(options: argparse.Namespace) -> None:
    """Print where the run stands."""
    import time

    from rich.live import Live

    from lbt.provenance.older_version import refuse_older
    from lbt.stages.status import read_state
    from lbt.views.run_state import RUNNING
    from lbt.views.status_text import make_console

    refuse_older(options.run)
    console, state = make_console(), read_state(options.run)
    if not options.watch:
        console.print(_show(options.run, state))
        return
    try:
        with Live(_show(options.run, state), console=console, auto_refresh=False) as live:
            while state.state == RUNNING:
                time.sleep(_PAUSE)
                state = read_state(options.run)
                live.update(_show(options.run, state), refresh=True)
    except KeyboardInterrupt:
        return  # that is how people end it


def _show(run: Path, state: RunState) -> Group:
    from lbt.stages.disk_usage import describe_disk
    from lbt.views.best_network import find_networks
    from lbt.views.status_text import show_state

    return show_state(run, state, find_networks(run), describe_disk(run))
