"""The common style of all figures: fonts, lines, colours of the methods, and reproducible files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.files import atomic_path

INK, GRID, MISSING = "#1a1a1a", "#dddddd", "#ececec"
DPI = 150


class MethodStyle(NamedTuple):
    """Style of a method in every figure; marker and line tell methods apart without colour."""

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
"""The colours of Okabe and Ito, which colour-blind people can tell apart."""
_RC: dict[Any, Any] = {
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
    "figure.dpi": DPI,  # the layout depends on it
    "figure.facecolor": "white",
    "svg.hashsalt": "lbt",
    "svg.fonttype": "path",
}


@contextmanager
def use_style() -> Iterator[None]:
    """Set the style for drawing and saving inside the `with` block."""
    with matplotlib.rc_context(_RC):
        yield


def method_style(method: str, methods: Sequence[str]) -> MethodStyle:
    """The style of `method` among the `methods` of a run; known methods look the same in every run."""
    if method in _KNOWN:
        return _KNOWN[method]
    others = sorted(name for name in methods if name not in _KNOWN)
    return _OTHERS[others.index(method) % len(_OTHERS)]


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
