"""`python -m lbt show RUN`: print the tables of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "print the tables of a finished run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the run."""
    parser.description = "Reads the tables of a finished run and prints them. Writes nothing."
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of the run, such as results/default")


def run(options: argparse.Namespace) -> None:
    """Print the tables."""
    from lbt.views.tables.terminal import print_tables

    print_tables(options.run)
