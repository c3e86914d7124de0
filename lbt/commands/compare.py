"""`lbt compare RUN RUN...`: several runs in one table and one figure."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "compare runs: mIoU, latency, and the settings that differ"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the folder for the files."""
    parser.description = """\
Reads the finished networks of two or more runs and prints a table: mIoU, latency and FPS by run and method, with the
settings in which the runs differ. Refuses runs that were scored on other images or classes, and warns of other code,
versions and devices. Writes nothing without --output."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs, such as results/half")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="write the table (compare.html, .md, and .csv with a row per network) and the figure of accuracy against "
        "latency (compare.svg, .png) into this folder",
    )


def run(options: argparse.Namespace) -> None:
    """Print the table, and write it with its figure."""
    from lbt.views.compared_runs import read_runs
    from lbt.views.runs_table import make_runs_table
    from lbt.views.tables.terminal import fit_to_width, terminal_width

    runs = read_runs(options.runs)
    table = make_runs_table(runs)
    print(fit_to_width(table.markdown(), terminal_width()))
    if options.output is not None:
        from lbt.views.figures.runs import draw_runs
        from lbt.views.figures.style import save, use_style

        table.write(options.output)
        with use_style():
            save(draw_runs(runs), options.output / table.name)
        print(f"{options.output}: compare.html, .md and .csv, and the figure compare.svg and .png")
