"""A table in its four forms: CSV with full numbers, HTML, Markdown, and the text of its cells."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lbt.artifacts import write_text

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #444; }
th:first-child, td:first-child { text-align: left; }
tbody tr:hover { background: #f4f6f8; }
p { max-width: 60rem; }
"""


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
        note: what its columns mean.
        values: what the CSV holds, in full.
        shown: what people see, text by column title; a missing value is an empty text.
    """

    name: str
    title: str
    note: str
    values: pd.DataFrame
    shown: pd.DataFrame

    def csv(self) -> str:
        """Comma-separated values; a missing one is blank."""
        return self.values.to_csv(index=False, float_format="%.6g", lineterminator="\n")

    def html(self) -> str:
        """A page that opens offline."""
        title, note = html.escape(self.title), html.escape(self.note)
        return (
            f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{STYLE}</style></head>\n<body>\n<h1>{title}</h1>\n"
            f"{self.shown.to_html(index=False, border=0, na_rep='')}\n<p>{note}</p>\n</body>\n</html>\n"
        )

    def markdown(self) -> str:
        """A heading, the table with aligned columns, and the note."""
        rows = [[str(name) for name in self.shown.columns], *self.shown.to_numpy().tolist()]
        rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
        widths = [max(3, *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        lines = [_line(row, widths) for row in [rows[0], rule, *rows[1:]]]
        return f"## {self.title}\n\n" + "\n".join(lines) + f"\n\n{self.note}\n"

    def write(self, folder: Path) -> None:
        """Write `<name>.csv`, `<name>.html` and `<name>.md` into `folder`."""
        for ending, text in (("csv", self.csv()), ("html", self.html()), ("md", self.markdown())):
            write_text(folder / f"{self.name}.{ending}", text)


def shown(values: pd.DataFrame, columns: dict[str, Column]) -> pd.DataFrame:
    """The given columns of `values` as text under their titles, empty where a value is missing."""
    return pd.DataFrame(
        {
            column.title: ["" if pd.isna(value) else column.text(value) for value in values[name].astype(object)]
            for name, column in columns.items()
        },
        dtype=object,
    )


def percent(value: float) -> str:
    """A share of one in percent with one digit."""
    return f"{100 * value:.1f}"


def mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and standard deviation of a sample (divided by n - 1); NaN for the deviation of a single value."""
    series = pd.Series(list(values), dtype=float)
    return float(series.mean()), float(series.std(ddof=1))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "| " + " | ".join([first, *others]) + " |"
