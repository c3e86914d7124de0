"""The table of methods: CSV for programs, HTML for people, text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lbt.artifacts import read_json, write_text
from lbt.config import RetrainSettings, SearchSettings, WarmupSettings
from lbt.data.splits import read_split, training_samples
from lbt.errors import LbtError
from lbt.steps import steps_for

COLUMNS = {
    "method": "method",
    "seed": "seed",
    "supernet_miou": "supernet mIoU (search only)",
    "retrained_miou": "retrained mIoU",
    "latency_ms": "latency (ms)",
    "fps": "FPS",
    "predicted_ms": "predicted (ms)",
    "parameters": "parameters",
    "macs": "MACs",
    "budget": "budget",
}
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #444; }
th:first-child, td:first-child { text-align: left; }
tbody tr:hover { background: #f4f6f8; }
p { max-width: 60rem; }
"""


def run(
    *,
    warmup: WarmupSettings,
    search: SearchSettings,
    retrain: RetrainSettings,
    split: Path,
    supernet: Sequence[Path],
    network: Sequence[Path],
    profile: Sequence[Path],
    constant: Path,
    csv: Path,
    html: Path,
    log: Path | None = None,
) -> None:
    """Write the table of methods from the scores and profiles that lie in `.../<method>/seed-<seed>/`."""
    budget = describe_budget(split, warmup, search, retrain)
    rows = [_row(s, n, p, budget) for s, n, p in zip(supernet, network, profile, strict=True)]
    least = read_json(constant)
    rows.append({"method": f"constant ({least['class']})", "retrained_miou": least["miou"]})
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in ("seed", "parameters", "macs"):
        table[name] = table[name].astype("Int64")
    write_text(csv, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_text(html, render_html(table))


def describe_budget(split: Path, warmup: WarmupSettings, search: SearchSettings, retrain: RetrainSettings) -> str:
    """The optimiser steps that every method is given, in words."""
    teacher = len(read_split(split, "teacher_train"))
    steps = (
        steps_for(warmup.epochs, teacher, warmup.batch_size),
        steps_for(search.epochs, teacher, search.batch_size),
        steps_for(retrain.epochs, len(training_samples(split)), retrain.batch_size),
    )
    text = f"warm-up {steps[0]} + search {search.rounds} x {steps[1]} + retrain {steps[2]} steps"
    if search.cosearch:
        text += ", with a co-searched network of the same budget to distil from"
    return text + (", retrained from the supernet's weights" if retrain.initial == "supernet" else "")


def render_html(table: pd.DataFrame) -> str:
    """A page that opens offline: the table with readable units, and what its columns mean."""
    shown = readable(table).drop(columns=COLUMNS["budget"])
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>mIoU by method</title><style>{STYLE}</style></head>
<body>
<h1>mIoU by method</h1>
<p>Mean intersection over union in percent on the official validation images, which no earlier stage reads. The supernet
is scored after the search at its most probable widths; the derived network is scored after retraining on all
labelled training images. Latency is the median of one image through the derived network on the device of this run,
beside the sum of the lookup table. The constant row predicts the most frequent training class everywhere. A blank cell
does not apply.</p>
{shown.to_html(index=False, border=0, na_rep="")}
<p>Budget of each method and seed: {table["budget"].dropna().iloc[0]}.</p>
</body>
</html>
"""


def print_tables(run: Path) -> None:
    """Print the table of a run and where its files lie.

    Raises:
        LbtError: the run has no table.
    """
    file = run / "tables" / "miou.csv"
    if not file.is_file():
        raise LbtError(f"{file}: is missing. Finish the run, or name its folder, such as results/default.")
    table = pd.read_csv(file, dtype={"seed": "Int64", "parameters": "Int64", "macs": "Int64"})
    shown = readable(table).drop(columns=COLUMNS["budget"])
    print(shown.to_string(index=False, na_rep=""))
    print(f"budget: {table['budget'].dropna().iloc[0]}")
    print(f"table:    {run}/tables/miou.html")
    print(f"pictures: {run}/evaluate/<method>/seed-<seed>/pictures/")
    print(f"networks: {run}/retrain/<method>/seed-<seed>/network.pt")


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with column titles, mIoU in percent, parameters in millions, MACs in billions."""
    formats = {
        "supernet_miou": lambda v: f"{100 * v:.1f}",
        "retrained_miou": lambda v: f"{100 * v:.1f}",
        "latency_ms": lambda v: f"{v:.2f}",
        "predicted_ms": lambda v: f"{v:.2f}",
        "fps": lambda v: f"{v:.1f}",
        "parameters": lambda v: f"{v / 1e6:.3f} M",
        "macs": lambda v: f"{v / 1e9:.3f} G",
        "seed": str,
    }
    shown = table.copy().astype(object)
    for name, form in formats.items():
        shown[name] = ["" if pd.isna(value) else form(value) for value in table[name]]
    return shown.fillna("").rename(columns=COLUMNS)


def _row(supernet: Path, network: Path, profile: Path, budget: str) -> dict[str, Any]:
    seed_folder = network.parent
    measured = read_json(profile)
    return {
        "method": seed_folder.parent.name,
        "seed": int(seed_folder.name.removeprefix("seed-")),
        "supernet_miou": read_json(supernet)["miou"],
        "retrained_miou": read_json(network)["miou"],
        "latency_ms": measured["median_ms"],
        "fps": measured["fps"],
        "predicted_ms": measured["predicted_ms"],
        "parameters": measured["parameters"],
        "macs": measured["macs"],
        "budget": budget,
    }
