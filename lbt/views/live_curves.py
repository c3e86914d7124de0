"""Curves of a run at work, from the progress lines in the logs of its jobs: the figures come at its end.

They are drawn as SVG inside the page, without matplotlib, and a log is read again only if it has grown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS
from lbt.errors import visible
from lbt.files import open_regular
from lbt.runtime.progress import read_step
from lbt.views.method_styles import MethodStyle, method_style

POINTS = 120
"""Most points of a job's curve."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 150, 44, 292, 10, 128
"""Size of a picture and edges of its axes, in the units of its view box."""
_LARGEST = 20_000_000
"""Bytes of a log that are read."""
_LOG = re.compile(
    r"(?P<stage>warmup|student-warmup|search|retrain|retrain-guide)(-(?P<method>[a-z][a-z0-9_]*))?"
    r"-seed-(?P<seed>\d+)(-round-(?P<round>\d+))?"
)
_STAGES = {
    "warmup": "Warm-up of the supernet",
    "student-warmup": "Warm-up of the student",
    "search": "Search",
    "retrain-guide": "Retraining of the guide",
    "retrain": "Retraining",
}
_VALUES = {"loss": "loss", "student": "student: loss", "tester": "tester: loss", "val": "validation images: loss"}
_VALUES |= {"ms": "expected latency (ms)"}
_PLAIN = MethodStyle("#0072B2", "o", "-")
Points = list[tuple[float, float]]
"""Places, 0 to 1 in a training or rounds in a search, and values."""


@dataclass(frozen=True)
class Line:
    """A line of a chart: its method if it has one, its seed, its style, and the points of an SVG polyline."""

    method: str
    seed: str
    color: str
    dashes: str
    points: str


@dataclass(frozen=True)
class Chart:
    """A quantity of a stage.

    Attributes:
        title: of the stage and the quantity.
        lines: of its methods and seeds.
        low, high: least and greatest value as text, at the ends of the vertical axis.
        end: the greatest place as text, at the right end of the horizontal axis.
    """

    title: str
    lines: Sequence[Line]
    low: str
    high: str
    end: str

    @property
    def legend(self) -> list[Line]:
        """A line of each method; the seeds of a method look alike."""
        return list({line.method: line for line in self.lines if line.method}.values())


def read_charts(logs: Path) -> list[Chart]:
    """The charts of all stages that have taken two steps at least, the latest stage first.

    Args:
        logs: folder of the logs of a run.
    """
    found: dict[str, dict[str, dict[tuple[str, str], Points]]] = {}
    for path in sorted(logs.glob("*-seed-*.log"), key=_order):
        name = _LOG.fullmatch(path.stem)
        if name is None:
            continue
        key, before = (name["method"] or "", name["seed"]), int(name["round"] or 1) - 1
        for value, points in _read(path).items():
            line = found.setdefault(name["stage"], {}).setdefault(value, {}).setdefault(key, [])
            line.extend((before + place, number) for place, number in points)
    return [
        chart
        for stage, title in reversed(_STAGES.items())
        for value, lines in found.get(stage, {}).items()
        if (chart := _draw(f"{title}: {_VALUES[value]}", lines, is_search=stage == "search")) is not None
    ]


def _order(path: Path) -> tuple[str, int]:
    stem, _, number = path.stem.rpartition("-round-")
    return (stem, int(number)) if number.isdecimal() and stem else (path.stem, 0)


def _read(path: Path) -> dict[str, Points]:
    try:
        found = path.stat()
        return _parse(path, found.st_mtime_ns, found.st_size)
    except OSError:
        return {}  # it is being replaced


@lru_cache(maxsize=256)
def _parse(path: Path, changed: int, size: int) -> dict[str, Points]:
    """The values of a log in the state that its time and size tell, at `POINTS` lines of it."""
    with open(path, "rb", opener=open_regular) as file:
        lines = file.read(_LARGEST).splitlines()
    steps = [line for line in lines if b": step " in line]
    apart = -(-len(steps) // POINTS) or 1
    values: dict[str, Points] = {}
    for line in [*steps[:-1:apart], *steps[-1:]]:
        step = read_step(visible(line.decode("utf-8", "replace"), 1000))
        if step is None or not step.total:
            continue
        for name, text in step.values.items():
            if name in _VALUES and (number := _number(text)) is not None:
                values.setdefault(name, []).append((step.step / step.total, number))
    return values


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _draw(title: str, lines: dict[tuple[str, str], Points], *, is_search: bool) -> Chart | None:
    shown = {key: points for key, points in lines.items() if len(points) > 1}
    if not shown:
        return None
    values = [value for points in shown.values() for _, value in points]
    low, high, end = min(values), max(values), max(1.0, *(points[-1][0] for points in shown.values()))
    return Chart(
        title,
        list(_lines(shown, low, high, float(math.ceil(end)))),
        f"{low:.3g}",
        f"{high:.3g}",
        f"round {math.ceil(end)}" if is_search else "end",
    )


def _lines(lines: dict[tuple[str, str], Points], low: float, high: float, end: float) -> Iterator[Line]:
    methods = [method for method in (*METHODS, *BASELINES) if any(method == key[0] for key in lines)]
    for (method, seed), points in lines.items():
        style = method_style(method, methods) if method in methods else _PLAIN
        dashes = "" if isinstance(style.line, str) else " ".join(f"{part:g}" for part in style.line[1])
        height = (high - low) or 1.0
        places = (
            f"{LEFT + (RIGHT - LEFT) * place / end:.1f},{BOTTOM - (BOTTOM - TOP) * (value - low) / height:.1f}"
            for place, value in points
        )
        yield Line(method, seed, style.color, dashes, " ".join(places))
