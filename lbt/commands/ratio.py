"""`python -m lbt ratio RUN RUN...`: mIoU by the number of pseudo-labelled images, over several runs."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "compare runs that differ in search.pseudo_labels.ratio only"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the folder for the files."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = """\
Reads finished runs that differ in search.pseudo_labels.ratio only, and prints mIoU by the number of pseudo-labelled
images. Writes the same table as files into tables/ of each run, where `show` and the report find it."""
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="folders of finished runs, such as results/ratio-1"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write ratio.csv, ratio.html and ratio.md into this folder instead of tables/ of every run",
    )


def run(options: argparse.Namespace) -> None:
    """Print the table and write it."""
    from lbt.views.tables.ratio_files import write_ratio
    from lbt.views.tables.ratio_study import make_ratio_table
    from lbt.views.tables.terminal import fit_to_width, terminal_width

    table = make_ratio_table(options.runs)
    print(fit_to_width(table.markdown(), terminal_width()))
    if options.output is not None:
        table.write(options.output)
    else:
        write_ratio(table, options.runs)
