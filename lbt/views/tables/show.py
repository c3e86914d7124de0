"""The tables of a run in the terminal."""

from __future__ import annotations

from pathlib import Path

from lbt.errors import LbtError
from lbt.provenance.manifest import verify_inputs
from lbt.views.tables.ratio_files import ratio_holds
from lbt.views.tables.terminal import fitted, terminal_width

SHOWN = ("summary", "miou", "classes", "latency")
"""Names of the tables of a run, in the order in which people read them."""


def print_tables(run: Path) -> None:
    """Print the tables of a run, that of a ratio study which it is part of, and where its files lie.

    Raises:
        LbtError: the run has no tables, or one is not as it was written.
    """
    files = [run / "tables" / f"{name}.md" for name in SHOWN]
    for file in files:
        if not file.is_file():
            raise LbtError(f"{file}: is missing. Finish the run, or name its folder, such as results/default.")
    holds = ratio_holds(run)
    if holds:
        files.append(run / "tables" / "ratio.md")
    verify_inputs(files)
    width = terminal_width()
    for file in files:
        print(fitted(file.read_text(encoding="utf-8"), width))
    if holds is False:
        print(f"{run}/tables/ratio.html is of other scores than the runs have now: run `python -m lbt ratio` again.\n")
    print(f"tables:   {run}/tables/{', '.join(f'{file.stem}.html' for file in files)}")
    print(f"figures:  {run}/figures/")
    print(f"pictures: {run}/evaluate/<method>/seed-<seed>/pictures/")
    print(f"networks: {run}/networks/<method>-seed-<seed>.pt")
