"""The rounds of a finished run: a table of methods, curves over the steps, seconds per step.

    python tests/studies/rounds.py RUN FOLDER

RUN is a folder below `results/`. FOLDER will hold `methods.csv` (a row per method and seed), `steps.csv` (medians over
the seeds of each round), `curves.svg` and `curves.png`. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("agg")
import matplotlib.pyplot as plt

COLORS = {"fasterseg": "#0072B2", "lbt": "#D55E00", "lpt": "#009E73", "random": "#666666"}
"""Colours of Okabe and Ito's palette, which colour-blind people can tell apart."""
PANELS = {
    "teacher_loss": "teacher's training loss",
    "teacher_val_loss": "teacher's validation loss",
    "student_loss": "student's training loss",
    "student_val_loss": "student's validation loss",
    "tester_loss": "tester's training loss",
    "tester_val_loss": "tester's validation loss",
    "latency_ms": "expected latency (ms)",
    "entropy_alpha": "entropy of alpha (relative)",
    "entropy_beta": "entropy of beta (relative)",
    "entropy_gamma": "entropy of gamma (relative)",
    "architecture_gradient_norm": "norm of the architecture's gradient",
}
MUST_BE_FINITE = {
    "fasterseg": ("teacher_loss", "teacher_val_loss", "latency_ms"),
    "lbt": ("teacher_loss", "teacher_val_loss", "student_loss", "pseudo_loss", "student_val_loss", "latency_ms"),
    "lpt": ("teacher_loss", "teacher_val_loss", "tester_loss", "bank_loss", "tester_val_loss", "latency_ms"),
    "random": ("teacher_loss",),
}


def read_steps(run: Path) -> pd.DataFrame:
    """Read all rows of all rounds; add method, seed, and `place`, the number of rounds that have passed."""
    frames = []
    for path in sorted(run.glob("search/*/seed-*/round-*/metrics.csv")):
        method, seed = path.parts[-4], int(path.parts[-3].removeprefix("seed-"))
        frame = pd.read_csv(path).assign(method=method, seed=seed)
        frame["place"] = frame["round"] - 1 + (frame["step"] + 1) / len(frame)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def skipped_updates(steps: pd.DataFrame) -> tuple[int, int]:
    """Skipped updates and all updates of one method and seed."""
    columns = [name for name in steps if name.startswith("skipped_") and steps[name].notna().any()]
    last = steps.groupby("round").last()
    return int(last[columns].to_numpy().sum()), len(steps) * len(columns)


def summary(run: Path, steps: pd.DataFrame) -> pd.DataFrame:
    """A row per method and seed: scores, latency, blank losses, skipped updates, seconds of a step."""
    rows, scores = [], run / "tables" / "miou.csv"
    table = pd.read_csv(scores).set_index(["method", "seed"]) if scores.exists() else None
    for (method, seed), part in steps.groupby(["method", "seed"]):
        skipped, updates = skipped_updates(part)
        row = {"method": method, "seed": seed}
        if table is not None:
            found = table.loc[(method, seed)]
            row |= {name: found[name] for name in ("supernet_miou", "retrained_miou", "predicted_ms", "latency_ms")}
        blank = int(part[list(MUST_BE_FINITE[method])].isna().to_numpy().sum())
        row |= {"steps": len(part), "blank_losses": blank, "skipped_updates": skipped, "updates": updates}
        rows.append(row | {"median_step_seconds": part["seconds"].median()})
    return pd.DataFrame(rows)


def draw(steps: pd.DataFrame, path: Path) -> None:
    """Curves of `PANELS`: a thin line per seed, the median over the seeds of each round's median as a thick one."""
    panels = [(column, title) for column, title in PANELS.items() if column in steps]
    rows = math.ceil(len(panels) / 3)
    fig, axes = plt.subplots(rows, 3, figsize=(13, 3 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (column, title) in zip(axes.flat, panels, strict=False):
        for method, part in steps.groupby("method"):
            if part[column].notna().sum() == 0:
                continue
            by_round = part.groupby(["seed", "round"])[column].median().unstack("seed")
            color = COLORS.get(method, "#CC79A7")
            ax.plot(by_round.index, by_round.to_numpy(), color=color, lw=0.7, alpha=0.5)
            ax.plot(by_round.index, by_round.median(axis=1), color=color, lw=2.2, label=method)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("round")
        ax.grid(color="#dddddd", lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    for ending in (".svg", ".png"):
        fig.savefig(path.with_suffix(ending), dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    steps = read_steps(options.run)
    table = summary(options.run, steps)
    table.to_csv(options.folder / "methods.csv", index=False, float_format="%.4g", lineterminator="\n")
    columns = [name for name in (*PANELS, "teacher_student_cosine", "second_order_cosine", "seconds") if name in steps]
    medians = steps.groupby(["method", "round"])[columns].median().reset_index()
    medians.to_csv(options.folder / "steps.csv", index=False, float_format="%.5g", lineterminator="\n")
    draw(steps, options.folder / "curves")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
