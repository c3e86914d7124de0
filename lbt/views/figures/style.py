"""The common style of all figures: fonts, lines, and reproducible files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from lbt.errors import visible
from lbt.files import atomic_path

INK, GRID, MISSING, WARNING = "#1a1a1a", "#dddddd", "#ececec", "#a33b00"
DPI = 150


FONT = "DejaVu Sans"
"""Comes with matplotlib, so figures are the same everywhere."""
_FURTHER_FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Zen Hei", "Noto Sans")
"""Fonts of some systems for characters that `FONT` lacks."""
_LONGEST_LABEL = 40
"""Characters of a name in a figure."""


_RC: dict[Any, Any] = {
    "font.family": [FONT],
    "text.parse_math": False,  # a class may be called `$cost$`
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.edgecolor": "#444444",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.formatter.useoffset": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "legend.frameon": False,
    "figure.dpi": DPI,  # the layout depends on it
    "figure.facecolor": "white",
    "svg.hashsalt": "lbt",
    "svg.fonttype": "path",
}


@contextmanager
def use_style() -> Iterator[None]:
    """Set the style for drawing and saving inside the `with` block."""
    with matplotlib.rc_context(_RC | {"font.family": [FONT, *_find_fonts()]}):
        yield


@cache
def _find_fonts() -> dict[str, FT2Font]:
    """Those of the further fonts that this system has, in their order."""
    present = set(font_manager.get_font_names())
    return {name: _load(name) for name in _FURTHER_FONTS if name in present}


@cache
def _load(name: str) -> FT2Font:
    return font_manager.get_font(font_manager.findfont(name, fallback_to_default=False))


def write_label(name: str) -> str:
    r"""A name as a figure shows it: in one line, at most 40 characters, `\u8def` for a character that no font has."""
    fonts = (_load(FONT), *_find_fonts().values())

    def shown(char: str) -> str:
        return char if any(font.get_char_index(ord(char)) for font in fonts) else ascii(char)[1:-1]

    return "".join(map(shown, visible(name, _LONGEST_LABEL)))


def draw_grid(axes: Axes) -> None:
    """Draw light lines behind the data."""
    axes.grid(True)


def draw_legend(figure: Figure, axes: Axes) -> None:
    """Draw one legend below all panels, with the entries of `axes`."""
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(6, len(labels)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, handlelength=3.5
    )  # long enough to show dashes


def save(figure: Figure, stem: Path) -> None:
    """Write `stem`.svg and `stem`.png; equal figures give equal files.

    Raises:
        LbtError: a file could not be written.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # so that both files have this layout
    for ending, metadata in (("svg", {"Date": None}), ("png", {})):
        with atomic_path(stem.with_name(f"{stem.name}.{ending}")) as temporary:
            figure.savefig(temporary, format=ending, dpi=DPI, metadata=metadata)
