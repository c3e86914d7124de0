"""A table's Markdown in a terminal: headings and paragraphs are wrapped so that lines fit."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence

WIDEST = 120
"""Columns where there is no terminal, and the longest line of a paragraph in a wider one."""
_GAP = "  "


def terminal_width() -> int:
    """Columns of the terminal; `COLUMNS` in the environment counts before it."""
    return shutil.get_terminal_size((WIDEST, 24)).columns


def fitted(markdown: str, width: int) -> str:
    """The same text without the marks of Markdown, in lines of at most `width` columns.

    A table's cells are never broken: one whose cells alone are wider stays wider.
    """
    blocks = [block.splitlines() for block in markdown.strip().split("\n\n")]
    return "\n\n".join(_table(b) if b[0].startswith("|") else _paragraph(" ".join(b), width) for b in blocks) + "\n"


def _paragraph(text: str, width: int) -> str:
    heading = text.startswith("## ")
    plain = text.removeprefix("## ").replace("**", "")
    lines = textwrap.wrap(plain, min(width, WIDEST), break_long_words=False, break_on_hyphens=False)
    return "\n".join([*lines, "=" * max(map(len, lines))] if heading else lines)


def _table(lines: Sequence[str]) -> str:
    titles, rule, *rows = ([_plain(cell) for cell in re.split(r"(?<!\\)\|", line[1:-1])] for line in lines)
    widths = [
        max(len(text) for text in (*title.split(), *column))
        for title, column in zip(titles, zip(*rows, strict=True), strict=True)
    ]
    wrapped = [textwrap.wrap(title, width) for title, width in zip(titles, widths, strict=True)]
    height = max(map(len, wrapped))
    heads = list(zip(*([""] * (height - len(title)) + title for title in wrapped), strict=True))
    right = [cell.endswith(":") for cell in rule]
    shown = [*heads, ["-" * width for width in widths], *rows]
    return "\n".join(_line(cells, widths, right) for cells in shown)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (c.rjust(w) if end else c.ljust(w) for c, w, end in zip(cells, widths, right, strict=True))
    return _GAP.join(padded).rstrip()


def _plain(cell: str) -> str:
    return cell.strip().replace("\\|", "|")
