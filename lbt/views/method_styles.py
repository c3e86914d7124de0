"""Colour, mark and line of each method, the same in all figures and on all pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


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
_BASELINES = {
    "deeplabv3_mobilenetv3": MethodStyle("#56B4E9", "P", (0, (8, 2))),
    "fast_scnn": MethodStyle("#000000", "*", (0, (2, 3))),
    "fasterseg_released": MethodStyle("#CC79A7", "D", (0, (3, 1.5))),
    "lraspp_mobilenetv3": MethodStyle("#E69F00", "v", (0, (3, 1.5, 1, 1.5, 1, 1.5))),
}
_OTHERS = (
    MethodStyle("#CC79A7", "D", (0, (3, 1.5))),
    MethodStyle("#E69F00", "v", (0, (3, 1.5, 1, 1.5, 1, 1.5))),
    MethodStyle("#56B4E9", "P", (0, (8, 2))),
    MethodStyle("#F0E442", "*", (0, (2, 3))),
)
"""The colours of Okabe and Ito, which colour-blind people can tell apart."""


def method_style(method: str, methods: Sequence[str]) -> MethodStyle:
    """The style of `method` among the `methods` of a run; known ones, and baselines, look the same in every run."""
    known = _KNOWN | _BASELINES
    if method in known:
        return known[method]
    others = sorted(name for name in methods if name not in known)
    return _OTHERS[others.index(method) % len(_OTHERS)]


def run_style(place: int, method: str, methods: Sequence[str]) -> MethodStyle:
    """The style of a method in the run at the given place among several: the run has the colour, the method the mark.

    With one method each run has a mark of its own too, which tells runs apart without colour.
    """
    styles = [*_KNOWN.values(), *_OTHERS]
    of_run = styles[place % len(styles)]
    return of_run if len(methods) == 1 else of_run._replace(marker=method_style(method, methods).marker)
