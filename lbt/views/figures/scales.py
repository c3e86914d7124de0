"""Axes that tell small changes from large ones: a least width, and tick labels without offset or factor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lbt.views.figures.panels import Panel

DECADES = 10.0
"""Ratio of the largest to the smallest value above which an axis is logarithmic."""
MARGIN = 0.05
"""Share of an axis beyond the values, at either end."""
PLAIN = (1e-3, 1e5)
"""Numbers between these magnitudes are written without a power of ten."""


class PlainFormatter(Formatter):
    """Tick labels with as many digits as they need to differ; the axis has no offset and no factor."""

    def __call__(self, value: float, pos: int | None = None) -> str:
        return format_numbers([value])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        return format_numbers(values)


def format_numbers(values: Sequence[float]) -> list[str]:
    """Numbers with the same number of digits, as few as they need to differ: 0.990, 0.995, 1.000 or 1e9, 2e9."""
    largest = max((abs(v) for v in values), default=0.0)
    steps = np.diff(np.unique(values))
    tolerance = 0.01 * (steps.min() if len(steps) else largest)
    plain = largest == 0 or PLAIN[0] <= largest < PLAIN[1]
    kind = "f" if plain else "e"
    for digits in range(16):
        texts = [f"{v:.{digits}{kind}}" for v in values]
        if all(abs(float(text) - v) <= tolerance for text, v in zip(texts, values, strict=True)):
            break
    return [_tidy(text) for text in texts]


def _tidy(text: str) -> str:
    """1.5e+09 -> 1.5e9, -0.0 -> 0.0, with a true minus sign."""
    mantissa, _, power = text.partition("e")
    if float(mantissa) == 0:
        return "0" if power else mantissa.removeprefix("-")
    return (f"{mantissa}e{int(power)}" if power else mantissa).replace("-", "−")


def find_limits(low: float, high: float, panel: Panel) -> tuple[float, float]:
    """Ends of a linear axis for values from `low` to `high`: wide enough, and within the bounds up to the margin."""
    least = max(panel.span, panel.share * max(abs(low), abs(high))) or 1.0
    if high - low < least:
        centre = low / 2 + high / 2
        low = min(max(centre - least / 2, panel.bounds[0]), panel.bounds[1] - least)
        high = low + least
    return low - MARGIN * (high - low), high + MARGIN * (high - low)


def scale_rounds(axes: Axes, last: float) -> None:
    """Scale the x axis from 0 to the last round or step, with whole numbers."""
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(PlainFormatter())


def scale_values(axes: Axes, panel: Panel) -> None:
    """Scale the y axis to the lines and bands of `axes`: for counts, logarithmic, or linear with a least width."""
    axes.yaxis.set_major_formatter(PlainFormatter())
    drawn = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    drawn = drawn[np.isfinite(drawn)]
    if panel.counts:
        top = max(1.0, drawn.max(initial=0.0))
        axes.set_ylim(-MARGIN * top, (1 + MARGIN) * top)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    elif panel.positive and drawn.max(initial=0.0) > DECADES * drawn[drawn > 0].min(initial=math.inf):
        _use_logarithm(axes, drawn[drawn > 0])
    else:
        low, high = axes.dataLim.intervaly  # of lines and bands
        if math.isfinite(low) and math.isfinite(high):
            axes.set_ylim(*find_limits(low, high, panel))


def _use_logarithm(axes: Axes, drawn: np.ndarray) -> None:
    axes.set_yscale("log", nonpositive="mask")
    few = drawn.max() < 1000 * drawn.min()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_numbers([value])[0]))
    axes.yaxis.set_minor_formatter(NullFormatter())
