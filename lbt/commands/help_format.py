"""The layout of the help of a command: its text is wrapped to the terminal's width."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Iterator


class HelpFormatter(argparse.HelpFormatter):
    """Wraps paragraphs, and keeps lines that begin with a space apart: a list, whose second column stays a column."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(line for block in _divide(text) for line in _wrap(block, width))


def _divide(text: str) -> Iterator[str]:
    """Paragraphs in one line each, lines of lists, and empty lines."""
    paragraph: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line and not line.startswith(" "):
            paragraph.append(line)
            continue
        if paragraph:
            yield " ".join(paragraph)
        paragraph = []
        yield line


def _wrap(block: str, width: int) -> list[str]:
    columns = re.match(r" +\S.*?  +|( +)", block)
    indent = 0 if columns is None else len(columns[0]) + 2 * (columns[1] is not None)
    wrapped = textwrap.wrap(
        block, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )
    return wrapped or [""]
