"""A table of a run read from its Markdown: the form in which people get it, with its warnings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lbt.views.tables.formats import unescape_markdown

_WARNING = "**Warning:** "


@dataclass(frozen=True)
class ShownTable:
    """A table as people see it.

    Attributes:
        title: its heading.
        titles: of the columns.
        rows: text of the cells.
        left: which columns hold text.
        warnings: in Markdown.
        note: meaning of the columns, in Markdown.
    """

    title: str
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[bool]
    warnings: Sequence[str]
    note: str


def read_table(markdown: str) -> ShownTable | None:
    """The table of a file that `lbt.views.tables.formats.Table` wrote; None for anything else."""
    title, *blocks = [block.strip("\n") for block in markdown.split("\n\n") if block.strip()] or [""]
    cells = split_cells(blocks[0].splitlines()) if blocks else None
    if not title.startswith("## ") or cells is None:
        return None
    titles, rule, *rows = cells
    warnings = [block.removeprefix(_WARNING) for block in blocks[1:] if block.startswith(_WARNING)]
    notes = [block for block in blocks[1:] if not block.startswith(_WARNING)]
    left = [not cell.endswith(":") for cell in rule]
    return ShownTable(unescape_markdown(title[3:]), titles, rows, left, warnings, " ".join(notes))


def split_cells(lines: Sequence[str]) -> list[list[str]] | None:
    """The text of the cells of a table: headings, rule and rows; None if it is no table with rows of equal length."""
    cells = [[unescape_markdown(cell.strip()) for cell in re.split(r"(?<!\\)\|", line[1:-1])] for line in lines]
    return cells if len(cells) >= 3 and len({len(row) for row in cells}) == 1 else None
