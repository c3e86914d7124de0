"""The figure of the angle study: cosines by number of steps, one panel per objective.

python tests/studies/angles_figure.py angles.csv angles      # writes angles.svg and angles.png
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

STYLES = {"one_step": ("#0072B2", "o", "-"), "direct": ("#D55E00", "s", "--"), "published": ("#009E73", "^", ":")}
"""Colour (Okabe and Ito's, safe for the colour-blind), marker and line of each gradient."""
TITLES = {
    "teacher": "teacher's loss",
    "student": "student's loss",
    "whole raw": "both, raw",
    "whole matched": "both, matched",
}


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write `path`.svg and `path`.png: medians as lines, the middle half of the points as bands."""
    matplotlib.rcParams["svg.hashsalt"] = "angles"  # equal rows give equal files
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, len(TITLES), sharey=True)
    for panel, (part, title) in zip(panels, TITLES.items(), strict=True):
        for place, (name, (color, marker, line)) in enumerate(STYLES.items()):
            steps, cosines = _cosines(rows, part, name)
            low, middle, high = np.percentile(cosines, (25, 50, 75), axis=1)
            x = np.array(steps) * 1.04 ** (place - 1)  # markers side by side where curves coincide
            panel.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
            panel.plot(x, middle, color=color, marker=marker, linestyle=line, markersize=5, label=f"{name}")
        panel.axhline(0, color="0.6", linewidth=0.8, zorder=0)
        panel.set(title=title, xscale="log", xlabel="steps K")
        panel.set_xticks(steps, [str(k) for k in steps])
        panel.minorticks_off()
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set(ylabel="cosine with the gradient\nthrough K steps", ylim=(-0.35, 1.05))
    panels[-1].legend(frameon=False, loc="upper right", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=130)


def _cosines(rows: Sequence[Mapping[str, Any]], part: str, gradient: str) -> tuple[list[int], np.ndarray]:
    """The numbers of steps, and cosines (numbers of steps, points) of all logits."""
    wanted = {"part": part, "gradient": gradient, "logits": "all"}
    found: dict[int, list[float]] = {}
    for row in rows:
        if all(row[key] == value for key, value in wanted.items()):
            found.setdefault(int(row["steps"]), []).append(float(row["cosine"]))
    return sorted(found), np.array([found[steps] for steps in sorted(found)])


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        draw(list(csv.DictReader(file)), Path(sys.argv[2]))
