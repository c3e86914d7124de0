"""`lbt crate RUN`: describe a run as an RO-Crate."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "describe a finished run for archives, as an RO-Crate"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder of the run, its authors and its licence."""
    parser.description = (
        "Reads the files of a finished run. Writes ro-crate-metadata.json into its folder: settings, tables, figures "
        "and networks with their digests, the software with versions and commit, and what to cite. Archives such as "
        "WorkflowHub read it."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of the run, such as results/default")
    parser.add_argument("--author", action="append", default=[], metavar="NAME", help="an author; may be repeated")
    parser.add_argument(
        "--license",
        metavar="TERMS",
        help="licence of the results: an address (https://...) or a name such as CC-BY-4.0",
    )


def run(options: argparse.Namespace) -> None:
    """Write the file."""
    from lbt.views.crate import write_crate

    print(write_crate(options.run, options.author, options.license))
