"""A table as CSV with full numbers, as HTML and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape

from lbt.errors import visible
from lbt.files import guard_cell, write_text
from lbt.views.page import render

_MARKUP = re.compile(r"[\\`*_\[\]<>|~#!&$@]|:(?=//)|(?<=www)\.")
"""What Markdown takes for more than a character, with the addresses that it turns into links."""
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_NUMBER = re.compile(r"[-+]?\d[\d.]*( ± [\d.]+)?")


@dataclass(frozen=True)
class Column:
    """How a column of numbers is shown.

    Attributes:
        title: its heading, with the unit.
        text: the cell of a value that is not missing.
    """

    title: str
    text: Callable[[Any], str] = str


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: stem of its files.
        title: heading.
        note: meaning of its columns, in Markdown; see `escape_markdown`.
        values: the numbers of the CSV.
        shown: the cells for people, text by column title; a missing value is an empty text. A column that holds
            anything but numbers is aligned to the left.
        warnings: paragraphs directly under the table.
    """

    name: str
    title: str
    note: str
    values: pd.DataFrame
    shown: pd.DataFrame
    warnings: tuple[str, ...] = ()

    def csv(self) -> str:
        """Comma-separated values; a missing one is blank."""
        return format_csv(self.values, "%.12g")

    def html(self) -> str:
        """A page that opens offline."""
        titles, *rows = self._rows()
        prose = {"warnings": list(map(format_prose, self.warnings)), "note": format_prose(self.note)}
        return render("tables/formats.html", title=self.title, titles=titles, rows=rows, left=self._left(), **prose)

    def markdown(self) -> str:
        """A heading, the table with aligned columns, the warnings and the note."""
        rows = [[cell if _NUMBER.fullmatch(cell) else escape_markdown(cell) for cell in row] for row in self._rows()]
        widths, left = [max(3, *map(len, column)) for column in zip(*rows, strict=True)], self._left()
        rule = ["-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, left, strict=True)]
        lines = [_line(row, widths, left) for row in [rows[0], rule, *rows[1:]]]
        paragraphs = ["\n".join(lines), *(f"**Warning:** {text}" for text in self.warnings), self.note]
        return f"## {self.title}\n\n" + "\n\n".join(paragraphs) + "\n"

    def write(self, folder: Path) -> None:
        """Write `<name>.csv`, `<name>.html` and `<name>.md` into `folder`."""
        for ending, text in (("csv", self.csv()), ("html", self.html()), ("md", self.markdown())):
            write_text(folder / f"{self.name}.{ending}", text)

    def _rows(self) -> list[list[str]]:
        """The text of the headings and of all rows."""
        return [[str(name) for name in self.shown.columns], *self.shown.to_numpy().tolist()]

    def _left(self) -> list[bool]:
        """Which columns hold text; the first one names the row."""
        if self.shown.empty:
            return [True] * len(self.shown.columns)
        columns = zip(*self.shown.to_numpy().tolist(), strict=True)
        text = [any(cell and not _NUMBER.fullmatch(cell) for cell in column) for column in columns]
        return [True, *text[1:]]


def format_csv(values: pd.DataFrame, number: str) -> str:
    """A table as CSV; numbers have the format `number`, and no text is a formula for a spreadsheet."""
    texts = {
        str(name): values[name].map(guard_cell) for name in values if not pd.api.types.is_numeric_dtype(values[name])
    }
    return values.assign(**texts).to_csv(index=False, float_format=number, lineterminator="\n")


def escape_markdown(name: str) -> str:
    """A name that Markdown shows as it is. Notes and warnings of a table are Markdown, so names in them need this."""
    return _MARKUP.sub(r"\\\g<0>", visible(name))


def unescape_markdown(text: str) -> str:
    """The text before `escape_markdown`."""
    return _ESCAPED.sub(r"\1", text)


def format_columns(values: pd.DataFrame, columns: dict[str, Column]) -> pd.DataFrame:
    """The columns of `values` that `columns` names, as text under their titles; empty where a value is missing."""
    return pd.DataFrame(
        {
            column.title: ["" if pd.isna(value) else column.text(value) for value in values[name].astype(object)]
            for name, column in columns.items()
        },
        dtype=object,
    )


def format_percent(value: float) -> str:
    """A share in [0, 1] in percent with one digit."""
    return f"{100 * value:.1f}"


def format_mean(text: Callable[[float], str], mean: float, deviation: float) -> str:
    """A cell such as `38.4 ± 0.7`. Without a deviation it is the mean alone, without a mean it is empty."""
    if pd.isna(mean):
        return ""
    return text(mean) if pd.isna(deviation) else f"{text(mean)} ± {text(deviation)}"


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and standard deviation of a sample (divided by n - 1); NaN for the deviation of a single value."""
    series = pd.Series(list(values), dtype=float)
    return float(series.mean()), float(series.std(ddof=1))


def format_prose(text: str) -> Markup:
    """A paragraph of Markdown in HTML: text between backticks is code, and a backslash shows its next mark as it is."""
    parts = re.findall(rf"{_ESCAPED.pattern}|`([^`]+)`|([^\\`]+|.)", text, re.S)
    shown = (Markup("<code>{}</code>").format(code) if code else escape(mark + plain) for mark, code, plain in parts)
    return Markup("").join(shown)


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[bool]) -> str:
    padded = [c.ljust(w) if text else c.rjust(w) for c, w, text in zip(cells, widths, left, strict=True)]
    return "| " + " | ".join(padded) + " |"
