"""What all figures share: fonts, lines, colours of the methods, and files that repeat byte by byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.files import atomic_path

INK, GRID, MISSING = "#1a1a1a", "#dddddd", "#ececec"
DPI = 150


class MethodStyle(NamedTuple):
    """How a method looks in every figure; marker and line tell methods apart without colour too."""

    color: str
    marker: str
    line: str | tuple[float, tuple[float, ...]]


_KNOWN = {
    "fasterseg": MethodStyle("#0072B2", "o", "-"),
    "lbt": MethodStyle("#D55E00", "s", (0, (6, 3))),
    "lpt": MethodStyle("#009E73", "^", (0, (2.5, 2, 1, 2))),
    "random": MethodStyle("#666666", "X", (0, (1, 3))),
}
_OTHERS = (
    MethodStyle("#CC79A7", "D", (0, (3, 1.5))),
    MethodStyle("#E69F00", "v", (0, (3, 1.5, 1, 1.5, 1, 1.5))),
    MethodStyle("#56B4E9", "P", (0, (8, 2))),
    MethodStyle("#F0E442", "*", (0, (2, 3))),
)
"""Okabe and Ito's colours, which colour-blind people can tell apart."""
_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
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
    "figure.dpi": DPI,  # at which the layout is found
    "figure.facecolor": "white",
    "svg.hashsalt": "lbt",
    "svg.fonttype": "path",
}


@contextmanager
def use_style() -> Iterator[None]:
    """Draw and save inside of this."""
    with matplotlib.rc_context(_RC):
        yield


def method_style(method: str, methods: Sequence[str]) -> MethodStyle:
    """The style of `method` among the `methods` of a run; the known ones look the same in every run."""
    if method in _KNOWN:
        return _KNOWN[method]
    others = sorted(name for name in methods if name not in _KNOWN)
    return _OTHERS[others.index(method) % len(_OTHERS)]


def draw_grid(axes: Axes) -> None:
    """Light lines behind the data."""
    axes.grid(True)


def draw_legend(figure: Figure, axes: Axes) -> None:
    """One legend below all panels, of what `axes` shows."""
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(6, len(labels)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=3.5)  # dashes show


def save(figure: Figure, stem: Path) -> None:
    """Write `stem`.svg and `stem`.png; equal figures give equal files.

    Raises:
        LbtError: a file could not be written.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")  # both files have the layout that is found here
    for ending, metadata in (("svg", {"Date": None}), ("png", {})):
        with atomic_path(stem.with_name(f"{stem.name}.{ending}")) as temporary:
            figure.savefig(temporary, format=ending, dpi=DPI, metadata=metadata)
