"""What all figures share: fonts, lines, colours of the methods, and files that repeat byte by byte."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.artifacts import atomic_path

INK, GRID, MISSING = "#1a1a1a", "#dddddd", "#ececec"
DPI = 150


class MethodStyle(NamedTuple):
    """How a method looks in every figure; marker and line tell methods apart without colour too."""

    color: str
    marker: str
    line: str


_KNOWN = {
    "fasterseg": MethodStyle("#0072B2", "o", "-"),
    "lbt": MethodStyle("#D55E00", "s", "-"),
    "lpt": MethodStyle("#009E73", "^", "-"),
    "random": MethodStyle("#666666", "X", "--"),
}
_OTHERS = (
    MethodStyle("#CC79A7", "D", "-"),
    MethodStyle("#E69F00", "v", "-"),
    MethodStyle("#56B4E9", "P", "-"),
    MethodStyle("#F0E442", "*", "-"),
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
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.hashsalt": "lbt",
    "svg.fonttype": "path",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside of this."""
    with matplotlib.rc_context(_RC):
        yield


def method_style(method: str, methods: Sequence[str]) -> MethodStyle:
    """The style of `method` among the `methods` of a run; the known ones look the same in every run."""
    if method in _KNOWN:
        return _KNOWN[method]
    others = sorted(name for name in methods if name not in _KNOWN)
    return _OTHERS[others.index(method) % len(_OTHERS)]


def grid(axes: Axes) -> None:
    """Light lines behind the data."""
    axes.grid(True)


def method_legend(figure: Figure, axes: Axes) -> None:
    """One legend below all panels, of what `axes` shows."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=max(1, min(6, len(labels))))


def save(figure: Figure, stem: Path) -> None:
    """Write `stem`.svg and `stem`.png; equal figures give equal files.

    Raises:
        LbtError: a file could not be written.
    """
    for ending, metadata in (("svg", {"Date": None}), ("png", {})):
        with atomic_path(stem.with_name(f"{stem.name}.{ending}")) as temporary:
            figure.savefig(temporary, format=ending, dpi=DPI, metadata=metadata)
        figure.set_layout_engine("none")  # the layout is found; to look for it again takes as long as to draw
