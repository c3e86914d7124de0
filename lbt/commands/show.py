"""`lbt show RUN`: print the tables of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "print the tables of a run, or the status of an unfinished one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the run."""
    parser.description = (
        "Reads the tables of a run and prints them. If there are no tables yet, prints the status of the run and its "
        "finished networks. Writes nothing."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of the run, such as results/default")


def run(options: argparse.Namespace) -> None:
    """Print the tables, or the status before there are any."""
    from lbt.provenance.older_version import refuse_older
    from lbt.stages.run_progress import PROGRESS
    from lbt.views.tables.terminal import print_tables

    refuse_older(options.run)
    has_tables = any((options.run / "tables").glob("*.md"))
    if not has_tables and (options.run / "logs" / PROGRESS).exists():
        from lbt.commands.status import run as print_status

        print_status(argparse.Namespace(run=options.run, watch=False))
        print("There are no tables yet.")
        return
    print_tables(options.run)
