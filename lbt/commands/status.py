"""`python -m lbt status RUN`: print the status of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "show which jobs of a run are done, at work, waiting or failed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the run."""
    parser.description = "Reads the logs of a run, asks Slurm if there is one, and prints its progress. Writes nothing."
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of the run, such as results/default")


def run(options: argparse.Namespace) -> None:
    """Print where the run stands."""
    from lbt.stages.status import describe_status

    print(describe_status(options.run))
