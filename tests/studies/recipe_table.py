"""The table of the study of recipes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from recipe_data import DataSet
from recipe_runs import measure_steps

from lbt.data.classes import class_table
from lbt.files import read_json

Row = dict[str, float | int | str]


def table(data: DataSet) -> list[Row]:
    """A row per arm: seconds, and in % mean and deviation of mIoU, the difference from the first arm, IoU by class."""
    results = [read_json(path) for path in sorted(data.folder.glob("runs/*/result.json"))]
    by_arm = {arm: {r["seed"]: r for r in results if r["arm"] == arm} for arm in data.arms}
    rows: list[Row] = []
    for arm, step in measure_steps(data).items():
        found, first = by_arm.get(arm, {}), by_arm[data.arms[0]]
        scores = [100 * r["miou"] for r in found.values()]
        differences = [100 * (r["miou"] - first[seed]["miou"]) for seed, r in found.items() if seed in first]
        zeros = [sum(v is not None and v < 0.005 for v in r["iou"].values()) for r in found.values()]
        row: Row = {"data": data.name, "arm": arm, "step_ms": round(1000 * step), "seeds": len(found)}
        row |= {"steps": next((r["steps"] for r in found.values()), 0)}
        row |= {"seconds": average([r["seconds"] for r in found.values()], 1)}
        row |= {"miou": average(scores), "sd": deviation(scores)}
        row |= {"difference": average(differences), "difference_sd": deviation(differences)}
        row |= {"classes_at_0": average(zeros, 1)}
        for name in class_table(data.settings.data).names:
            row[name] = average([100 * (r["iou"][name] or 0.0) for r in found.values()], 1)
        rows.append(row)
    return rows


def average(values: Sequence[float], digits: int = 2) -> float:
    """The mean; NaN of no value."""
    return round(mean(values), digits) if values else float("nan")


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample; NaN of fewer than two values."""
    return round(stdev(values), 2) if len(values) > 1 else float("nan")


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([f"{v:g}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
