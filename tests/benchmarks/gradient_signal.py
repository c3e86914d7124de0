"""Signal and noise of the terms of the architecture's gradient, for several ways to estimate them.

At some states of a search (a warmed-up supernet, a trained student) the weights T and S and the architecture A are held
fixed, and the terms are computed again and again with fresh batches and widths. The figure is that of sums over
consecutive steps, because running means make steps depend on each other: for sums with mean m and total variance V it
is (|m|^2 - V / number of sums) / V / (steps of a sum), which is the SNR^2 of a step if steps are independent. Each sum
starts with empty means, so that it pays for every batch that it uses. The standard error is the jackknife's over the
sums. All estimates see the same batches and widths. The time is that of a whole step of the search with an estimate,
timed in turn, as the median ratio to the first one.

    export PYTHONPATH=tests:tests/studies
    python tests/benchmarks/gradient_signal.py --root CAMVID --folder signal-camvid --csv camvid.csv
    python tests/benchmarks/gradient_signal.py --config config/config.yaml --root SCENES --folder signal-scenes
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
from frozen_state import CPU, Estimate, FrozenState, Vectors, draw_passes, signal_to_noise
from stage_calls import call_stage
from study_seed import StudySeed, study_settings

from lbt.files import read_json, write_json
from lbt.runtime.distributed import ALONE
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.seeding import generator
from lbt.search.methods import load_method
from lbt.search.methods.lbt.label_steps import RecentSteps
from lbt.search.running_mean import RunningMean
from lbt.search.teacher_step import teacher_step
from lbt.training.optimizers import GuardedStep

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("alpha", "beta", "gamma")
Row = dict[str, float | int | str]

ESTIMATES = (
    Estimate(),
    Estimate(0.9),
    Estimate(0.99),
    Estimate(0.99, 3),
    Estimate(0.99, 1, ("sampled", "sampled")),
    Estimate(0.99, 1, ("sampled", "max", "min")),
)


def seconds(state: FrozenState, repeats: int) -> dict[str, float]:
    """Median ratio of the time of a whole step of the search with each estimate to that with the first."""
    times: dict[str, list[float]] = {estimate.name: [] for estimate in ESTIMATES}
    draws, study = generator(state.study.seed, "time"), state.study
    gradient = load_method("lbt").architecture_gradient
    guard, recent = GuardedStep("teacher", study.state.supernet), RecentSteps(3, CPU)
    for _ in range(repeats + 1):
        batch, state.validation = next(study.train), next(study.validation)
        passes = draw_passes(study.space, draws, state.choices)
        for estimate in ESTIMATES:
            started = time.process_time()
            chosen = passes[estimate.width_passes]
            _, state.teacher = teacher_step(study.state, batch, chosen, study.space, study.search, guard, ALONE)
            taken = state.student_step()
            mean = RunningMean(estimate.student_memory).update(taken.validation_gradient)
            earlier = tuple(recent)[: estimate.label_steps - 1]
            gradient(state.context(estimate, chosen, replace(taken, validation_gradient=mean, earlier=earlier)))
            times[estimate.name].append(time.process_time() - started)
        recent.add(taken)
    first = times[ESTIMATES[0].name]
    print(f"a step of the search with the first estimate: {median(first[1:]):.2f} s of processor time", flush=True)
    return {name: median(a / b for a, b in zip(own[1:], first[1:], strict=True)) for name, own in times.items()}


def with_error(sums: Vectors, steps: int) -> tuple[float, float]:
    """`signal_to_noise` and its standard error by the jackknife."""
    left_out = [signal_to_noise([*sums[:k], *sums[k + 1 :]], steps) for k in range(len(sums))]
    spread = np.square(np.array(left_out) - np.mean(left_out)).sum()
    return signal_to_noise(sums, steps), float(((len(sums) - 1) / len(sums) * spread) ** 0.5)


def measure(study: StudySeed, options: argparse.Namespace) -> list[Row]:
    """The rows of a state."""
    state, found = FrozenState(study, ESTIMATES), {}
    names = sorted(study.state.architecture)
    kinds = np.concatenate([np.full(study.state.architecture[n].numel(), n.split(".")[0]) for n in names])
    for number in range(options.sums):
        started = time.process_time()
        for key, vector in state.sums(number, options.steps).items():
            found.setdefault(key, []).append(vector)
        print(f"sum {number}: {time.process_time() - started:.0f} s of processor time", flush=True)
    times, rows = seconds(state, options.repeats), []
    by_passes = {"+".join(e.width_passes): times[e.name] for e in reversed(ESTIMATES)}  # of the first with these passes
    for (term, name), sums in found.items():
        value, error = with_error(sums, options.steps)
        row: Row = {"term": term, "estimate": name, "snr2": value, "standard_error": error}
        row |= {f"snr2_{kind}": signal_to_noise([v[kinds == kind] for v in sums], options.steps) for kind in KINDS}
        lengths = [float(np.linalg.norm(vector)) / options.steps for vector in sums]
        ratio = times[name] if term == "student" else by_passes[name]
        rows.append(row | {"norm": median(lengths), "time_ratio": ratio})
    return rows


def run(options: argparse.Namespace) -> list[Row]:
    """The rows of all states; finished states are read from the folder."""
    settings = study_settings(options)
    settings = settings.model_copy(
        update={"search": settings.search.model_copy(update={"student_term": "raw", "student_memory": 0.0})}
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for seed in range(options.seeds):
        path = options.folder / f"seed-{seed}.json"
        if not path.exists():
            with tempfile.TemporaryDirectory() as place:
                split = Path(place, "split.csv")
                call_stage("split", data=settings.data, splits=settings.splits, split=split)
                study = StudySeed(settings, seed, options, split, Path(place))
                study.train_student()
                if options.between:
                    study.seek(1)
                write_json(path, measure(study, options))
        rows += [{"seed": seed, **row} for row in read_json(path)]
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown: mean over the states, with the standard error of the mean from those of the states."""
    lines = ["| term | estimate | SNR² of a step | of each state | time |", "|---|---|---|---|---|"]
    for term, name in dict.fromkeys((row["term"], row["estimate"]) for row in rows):
        own = [row for row in rows if (row["term"], row["estimate"]) == (term, name)]
        values, errors = ([float(row[key]) for row in own] for key in ("snr2", "standard_error"))
        error = sum(e**2 for e in errors) ** 0.5 / len(own)
        each = ", ".join(f"{value:.3f}" for value in values)
        ratio = median(float(row["time_ratio"]) for row in own)
        lines.append(f"| {term} | {name} | {np.mean(values):.3f} ± {error:.3f} | {each} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "camvid-cpu.yaml", help="data and division")
    parser.add_argument("--folder", type=Path, required=True, help="results of each state; a rerun continues")
    parser.add_argument("--csv", type=Path, help="file for the rows")
    parser.add_argument("--seeds", type=int, default=3, help="states")
    parser.add_argument("--sums", type=int, default=8, help="sums per state")
    parser.add_argument("--steps", type=int, default=32, help="steps of a sum")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each estimate")
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--base-width", type=int, default=4)
    parser.add_argument("--height", type=int, default=64, help="of the crops in pixels")
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--student", default="lraspp_mobilenet_v3_large")
    parser.add_argument("--warmup-epochs", type=float, default=3.0)
    parser.add_argument("--student-steps", type=int, default=200, help="before the search")
    parser.add_argument("--between", type=int, default=10, help="steps of the search before the state")
    parser.add_argument("--label-ratio", type=float, default=1.0, help="labelled images per image of student_train")
    parser.add_argument("--teacher-lr", type=float, default=0.01)
    parser.add_argument("--student-lr", type=float, default=0.01)
    parser.add_argument("--architecture-lr", type=float, default=0.03)
    options = parser.parse_args()
    options.unroll, options.points = options.sums * options.steps + (options.repeats + 1) * len(ESTIMATES), 2
    rows = run(options)
    print(table(rows))
    if options.csv is not None:
        write_metrics(options.csv, rows)


if __name__ == "__main__":
    main()
