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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from stage_calls import call_stage
from study_seed import StudySeed, study_settings
from torch import Tensor

from lbt.files import read_json, write_json
from lbt.runtime.checkpoint import load_state, to_state
from lbt.runtime.distributed import ALONE
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.gradient_terms import teacher_term
from lbt.search.methods import load_method
from lbt.search.methods.lbt.label_steps import RecentSteps
from lbt.search.methods.lbt.student import StudentStep, student_term
from lbt.search.running_mean import RunningMean
from lbt.search.step_context import StepContext, TeacherStep
from lbt.search.teacher_step import teacher_step
from lbt.space.widths import WidthPass, draw_width_passes
from lbt.training.optimizers import GuardedStep, settle

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("alpha", "beta", "gamma")
CPU = torch.device("cpu")
Row = dict[str, float | int | str]
Vectors = list[np.ndarray]
"""The sums of a term's gradient, one vector per sum."""


@dataclass(frozen=True)
class Estimate:
    """Settings of `search` for one way to estimate the terms."""

    student_memory: float = 0.0
    label_steps: int = 1
    width_passes: tuple[str, ...] = ("sampled",)

    @property
    def name(self) -> str:
        """For the tables."""
        return f"memory {self.student_memory:g}, labels {self.label_steps}, {'+'.join(self.width_passes)}"


ESTIMATES = (
    Estimate(),
    Estimate(0.9),
    Estimate(0.99),
    Estimate(0.99, 3),
    Estimate(0.99, 1, ("sampled", "sampled")),
    Estimate(0.99, 1, ("sampled", "max", "min")),
)
PASSES = tuple(dict.fromkeys(estimate.width_passes for estimate in ESTIMATES))


class FrozenState:
    """A state of the search at which the terms can be computed repeatedly."""

    def __init__(self, study: StudySeed) -> None:
        self.study, self.student, self.taken = study, study.state.partner, 0
        self.start = copied(to_state(self.student.parts()))

    def student_step(self) -> StudentStep:
        """A step of the student on fresh batches, after which its weights are those before it."""
        seed = derive_seed(self.study.seed, "signal", self.taken)
        _, step = self.student.train_step(next(self.study.batches), seed)
        if settle(self.student.guards, {})[1]:
            raise ArithmeticError("a step of the student had a value that is not finite; lower its learning rate")
        load_state(self.student.parts(), self.start)
        self.taken += 1
        return step

    def context(self, estimate: Estimate, passes: tuple[WidthPass, ...], step: StudentStep) -> StepContext[Any]:
        """An architecture step with the settings of an estimate; the terms at fixed weights read no teacher's step."""
        study = self.study
        return StepContext(
            supernet=study.state.supernet,
            architecture=study.state.architecture,
            passes=passes,
            validation=self.validation,
            space=study.space,
            search=study.search.model_copy(update=vars(estimate)),
            table=study.table,
            latency_weight=0.0,
            processes=ALONE,
            teacher_step=self.teacher,
            partner_step=step,
        )

    def sums(self, number: int, steps: int) -> dict[tuple[str, str], np.ndarray]:
        """The sums of `steps` gradients of each term and estimate, the `number`-th time."""
        draws = generator(self.study.seed, "signal", number)
        means = {memory: RunningMean(memory) for memory in {e.student_memory for e in ESTIMATES}}
        recent, total = RecentSteps(max(e.label_steps for e in ESTIMATES) - 1, CPU), {}
        for _ in range(steps):
            self.validation, self.teacher = next(self.study.validation), TeacherStep(None, None, ())  # type: ignore[arg-type]
            taken, passes = self.student_step(), draw_passes(self.study.space, draws)
            gradients = {memory: mean.update(taken.validation_gradient) for memory, mean in means.items()}
            for estimate in ESTIMATES:
                step = replace(
                    taken,
                    validation_gradient=gradients[estimate.student_memory],
                    earlier=tuple(recent)[: estimate.label_steps - 1],
                )
                term = student_term(self.context(estimate, passes[estimate.width_passes], step))
                accumulate(total, ("student", estimate.name), term.gradient)
            for kinds in PASSES:
                term = teacher_term(self.context(Estimate(), passes[kinds], taken))
                accumulate(total, ("teacher", "+".join(kinds)), term.gradient)
            recent.add(taken)
        return total

    def seconds(self, repeats: int) -> dict[str, float]:
        """Median ratio of the time of a whole step of the search with each estimate to that with the first."""
        times: dict[str, list[float]] = {estimate.name: [] for estimate in ESTIMATES}
        draws, study = generator(self.study.seed, "time"), self.study
        gradient = load_method("lbt").architecture_gradient
        guard, recent = GuardedStep("teacher", study.state.supernet), RecentSteps(3, CPU)
        for _ in range(repeats + 1):
            batch, self.validation = next(study.train), next(study.validation)
            passes = draw_passes(study.space, draws)
            for estimate in ESTIMATES:
                started = time.process_time()
                chosen = passes[estimate.width_passes]
                _, self.teacher = teacher_step(study.state, batch, chosen, study.space, study.search, guard, ALONE)
                taken = self.student_step()
                mean = RunningMean(estimate.student_memory).update(taken.validation_gradient)
                earlier = tuple(recent)[: estimate.label_steps - 1]
                gradient(self.context(estimate, chosen, replace(taken, validation_gradient=mean, earlier=earlier)))
                times[estimate.name].append(time.process_time() - started)
            recent.add(taken)
        first = times[ESTIMATES[0].name]
        print(f"a step of the search with the first estimate: {median(first[1:]):.2f} s of processor time", flush=True)
        return {name: median(a / b for a, b in zip(own[1:], first[1:], strict=True)) for name, own in times.items()}


def draw_passes(space: Any, draws: torch.Generator) -> dict[tuple[str, ...], tuple[WidthPass, ...]]:
    """The passes of a step for each choice of them, with the first sampled widths in common."""
    sampled = draw_width_passes(("sampled", "sampled"), space, draws)
    largest, smallest = draw_width_passes(("max", "min"), space, draws)
    fixed = {"max": largest, "min": smallest}
    return {
        kinds: tuple(fixed[kind] if kind in fixed else sampled[index] for index, kind in enumerate(kinds))
        for kinds in PASSES
    }


def copied(value: Any) -> Any:
    """A checkpoint's part with tensors of its own."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: copied(inner) for name, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


def accumulate(total: dict[tuple[str, str], np.ndarray], key: tuple[str, str], gradient: Mapping[str, Tensor]) -> None:
    """Add a gradient, as a vector, to the sum of that name."""
    flat = torch.cat([gradient[name].flatten() for name in sorted(gradient)]).double().numpy()
    total[key] = total.get(key, 0.0) + flat


def signal_to_noise(sums: Vectors, steps: int) -> float:
    """The unbiased |mean|^2 over the total variance of the sums, by step."""
    stack = np.stack(sums)
    variance = stack.var(axis=0, ddof=1).sum()
    return float((np.square(stack.mean(axis=0)).sum() - variance / len(stack)) / variance / steps)


def with_error(sums: Vectors, steps: int) -> tuple[float, float]:
    """`signal_to_noise` and its standard error by the jackknife."""
    left_out = [signal_to_noise([*sums[:k], *sums[k + 1 :]], steps) for k in range(len(sums))]
    spread = np.square(np.array(left_out) - np.mean(left_out)).sum()
    return signal_to_noise(sums, steps), float(((len(sums) - 1) / len(sums) * spread) ** 0.5)


def measure(study: StudySeed, options: argparse.Namespace) -> list[Row]:
    """The rows of a state."""
    state, found = FrozenState(study), {}
    names = sorted(study.state.architecture)
    kinds = np.concatenate([np.full(study.state.architecture[n].numel(), n.split(".")[0]) for n in names])
    for number in range(options.sums):
        started = time.process_time()
        for key, vector in state.sums(number, options.steps).items():
            found.setdefault(key, []).append(vector)
        print(f"sum {number}: {time.process_time() - started:.0f} s of processor time", flush=True)
    times, rows = state.seconds(options.repeats), []
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
