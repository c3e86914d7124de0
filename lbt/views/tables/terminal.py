"""The tables of a run in a terminal: their Markdown without its marks, wrapped to the terminal's width."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from lbt.errors import LbtError, visible
from lbt.provenance.manifest import verify_inputs
from lbt.views.best_network import find_networks
from lbt.views.tables.formats import format_percent, unescape_markdown
from lbt.views.tables.markdown import split_cells

SHOWN = ("summary", "miou", "classes", "latency", "decisions")
"""Names of the tables of a run, in the order in which people read them."""
WIDEST = 120
"""Width without a terminal, and the longest line of a paragraph in a wider one."""
_GAP = "  "


def print_tables(run: Path, names: Sequence[str] = SHOWN) -> None:
    """Print tables of a run, its best network and the folders of its other results.

    Args:
        run: the folder of the run.
        names: of the tables, in their order.

    Raises:
        LbtError: a table is missing, or its content has changed since it was written.
    """
    files = [run / "tables" / f"{name}.md" for name in names]
    for file in files:
        if not file.is_file():
            raise LbtError(f"{file}: is missing. Finish the run, or name its folder, such as results/default.")
    verify_inputs(files)
    width = terminal_width()
    for file in files:
        for line in fit_to_width(file.read_text(encoding="utf-8", errors="replace"), width).split("\n"):
            print(visible(line))
    _print_places(run)


def _print_places(run: Path) -> None:
    """Print the best network and where the results lie."""
    found = find_networks(run)
    for problem in found.problems:
        print(f"left out: {visible(problem)}")
    if (best := found.best) is not None:
        print(f"best:     {best.title}: mIoU {format_percent(best.miou)} %, {best.fps:.1f} FPS")
        for line in textwrap.wrap(found.describe_choice(), max(20, min(terminal_width(), WIDEST) - 10)):
            print(f"          {line}")
        print(f"use it:   {visible(best.predict_command())}\n")
    if (run / "index.html").exists():
        print(f"page:     {run}/index.html")
    present = [f"{name}.html" for name in SHOWN if (run / "tables" / f"{name}.html").exists()]
    print(f"tables:   {run}/tables/{', '.join(present)}")
    print(f"figures:  {run}/figures/")
    print(f"pictures: {run}/evaluate/<method>/seed-<seed>/pictures/")
    print(f"networks: {run}/networks/<method>-seed-<seed>/, the best one {run}/best/")


def terminal_width() -> int:
    """Columns of the terminal; the environment variable `COLUMNS` takes precedence."""
    return shutil.get_terminal_size((WIDEST, 24)).columns


def fit_to_width(markdown: str, width: int) -> str:
    """The same text without the marks of Markdown, in lines of at most `width` columns.

    The cells of a table are never broken, so a table with wide cells may exceed `width`.
    """
    blocks = [block.strip("\n").splitlines() for block in markdown.split("\n\n") if block.strip()]
    texts = [_format_table(b) if b[0].startswith("|") else _wrap_paragraph(" ".join(b), width) for b in blocks]
    return "\n\n".join(texts) + "\n"


def _wrap_paragraph(text: str, width: int) -> str:
    heading = text.startswith("## ")
    plain = unescape_markdown(text.removeprefix("## ").replace("**", ""))
    lines = textwrap.wrap(plain, min(width, WIDEST), break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "=" * max(map(len, lines), default=0)] if heading else lines)


def _format_table(lines: Sequence[str]) -> str:
    cells = split_cells(lines)
    if cells is None:
        return "\n".join(lines)  # someone has edited the file
    titles, rule, *rows = cells
    widths = [
        max(1, *(len(text) for text in (*title.split(), *column)))
        for title, column in zip(titles, zip(*rows, strict=True), strict=True)
    ]
    wrapped = [textwrap.wrap(title, width) for title, width in zip(titles, widths, strict=True)]
    height = max(map(len, wrapped))
    heads = list(zip(*([""] * (height - len(title)) + title for title in wrapped), strict=True))
    right = [cell.endswith(":") for cell in rule]
    shown = [*heads, ["-" * width for width in widths], *rows]
    return "\n".join(_format_line(cells, widths, right) for cells in shown)


def _format_line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (c.rjust(w) if end else c.ljust(w) for c, w, end in zip(cells, widths, right, strict=True))
    return _GAP.join(padded).rstrip()
