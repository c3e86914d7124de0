"""Angles between LBT's one-step gradients of the architecture and the gradient through many steps, on CamVid.

For each seed a small supernet is warmed up, a student learns from its labels, and a short search follows. At several
points of the search, both networks take K steps with the architecture fixed (see `unrolled_steps`). At their end,
`one_step`, `direct` and `published`, the gradients of `lbt.search.methods.lbt.gradient`, take only the last step into
account. They are compared with the exact gradient of the same objective through the last 1, 2, ..., K steps, on the
same validation batches, noise and dropout. There are angles for four objectives:

    teacher        L(T_K, A, D_t^val)
    student        L(S_K, D_s^val)
    whole raw      teacher + student
    whole matched  teacher + f * student, f as with `student_term: matched`, `norm_memory: 0`

`second_order_limit` and latency are not used. The study reads only the training images and, without labels, the
unlabelled ones; the split is that of the settings.

    export PYTHONPATH=tests
    python tests/studies/gradient_angles.py --root CAMVID --csv angles.csv --points-csv points.csv --figure angles
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from stage_calls import call_stage
from study_seed import StudySeed, study_settings
from unrolled_steps import OBJECTIVES, Moment, through_steps

from lbt.runtime.metrics_csv import write_metrics
from lbt.search.gradient_terms import teacher_term
from lbt.search.methods.lbt.gradient import COMPOSITIONS, student_factor
from lbt.search.methods.lbt.student import student_term
from lbt.search.running_mean import RunningMean
from lbt.search.step_context import StepContext, Term
from lbt.search.tensor_dicts import add, cosine, norm, scale
from lbt.space.architecture import Architecture

ROOT = Path(__file__).resolve().parent.parent.parent
GRADIENTS = tuple(COMPOSITIONS)
LOGITS = {"all": ("alpha", "beta", "gamma"), "alpha and beta": ("alpha", "beta")}
"""Gamma's gradient is straight-through and no derivative of the loss; those of alpha and beta are."""
SHOWN = (1, 2, 3, 5, 7, 10)
"""Numbers of steps that get rows, besides the last."""
Row = dict[str, float | int | str]


def lbt_gradients(context: StepContext) -> tuple[dict[str, dict[str, Architecture]], Row]:
    """The teacher's and the student's part of each gradient, by its name and part, and the terms' values and lengths.

    The gradients are linear in the two terms, so that a part is the gradient with the other term silenced.
    """
    teacher, student = teacher_term(context, in_weights=True), student_term(context, in_weights=True)
    matched = context.search.model_copy(update={"student_term": "matched"})
    record = {
        "teacher_val_loss": float(teacher.value),
        "student_val_loss": float(student.value),
        "teacher_gradient_norm": norm(teacher.gradient),
        "student_gradient_norm": norm(student.gradient),
        "matched_factor": student_factor(matched, RunningMean(decay=0.0), teacher, student),
    }
    shares = {"teacher": (1.0, 0.0), "student": (0.0, 1.0)}
    parts: dict[str, dict[str, Architecture]] = {name: {} for name in GRADIENTS}
    for name, compose in COMPOSITIONS.items():
        for part, (of_teacher, of_student) in shares.items():
            # copies: a composition overwrites the gradients in the weights
            first, second = compose(context, scaled(teacher, of_teacher), scaled(student, of_student), 1.0)
            parts[name][part] = first if second is None else add(first, second)
    return parts, record


def scaled(term: Term, factor: float) -> Term:
    """A term times a number, in new tensors."""
    return Term(factor * term.value, scale(term.gradient, factor), scale(term.weights_gradient, factor))


def wholes(parts: Mapping[str, Architecture], factor: float) -> dict[str, Architecture]:
    """All four objectives' gradients from those of teacher and student; see the head of this module."""
    teacher, student = parts["teacher"], parts["student"]
    return {
        "teacher": teacher,
        "student": student,
        "whole raw": add(teacher, student),
        "whole matched": add(teacher, student, factor),
    }


def compare(context: StepContext, moments: list[Moment]) -> tuple[list[Row], Row]:
    """Rows of angles of one point for the shown K, and what the point is like."""
    parts, record = lbt_gradients(context)
    found = {name: wholes(both, record["matched_factor"]) for name, both in parts.items()}
    objectives = [objective(context) for objective in OBJECTIVES.values()]
    rows: list[Row] = []
    for steps, through in enumerate(through_steps(context, moments, objectives), start=1):
        exact = wholes(dict(zip(OBJECTIVES, through, strict=True)), record["matched_factor"])
        if steps == 1:  # computed in two different ways, so the difference is rounding
            difference = add(found["one_step"]["whole matched"], exact["whole matched"], -1)
            record["one_step_error"] = norm(difference) / norm(exact["whole matched"])
        if steps not in SHOWN and steps < len(moments):
            continue
        for part, expected in exact.items():
            rows += [
                {"steps": steps, "part": part, "gradient": name, **row}
                for name in GRADIENTS
                for row in _angles(found[name][part], expected)
            ]
    return rows, record


def _angles(gradient: Architecture, expected: Architecture) -> Iterator[Row]:
    for logits, kinds in LOGITS.items():
        a, b = ({n: g for n, g in whole.items() if n.split(".")[0] in kinds} for whole in (gradient, expected))
        if norm(b) == 0:
            raise ArithmeticError(f"the gradient through the steps is 0 in {logits}")
        yield {"logits": logits, "cosine": cosine(a, b), "norm": norm(a), "norm_ratio": norm(a) / norm(b)}


def run(options: argparse.Namespace) -> tuple[list[Row], list[Row]]:
    """All seeds and points; rows of angles and rows of points."""
    settings = study_settings(options)
    angles, points = [], []
    with tempfile.TemporaryDirectory() as place:
        split = Path(place) / "split.csv"
        call_stage("split", data=settings.data, splits=settings.splits, split=split)
        for seed in range(options.seeds):
            folder = Path(place) / f"seed-{seed}"
            folder.mkdir()
            study = StudySeed(settings, seed, options, split, folder)
            study.train_student()
            for point in range(options.points):
                if point:
                    study.seek(point)
                started = time.process_time()
                rows, record = compare(*study.unroll(point))
                angles += [{"seed": seed, "point": point, **row} for row in rows]
                points.append({"seed": seed, "point": point, **record})
                print(f"seed {seed}, point {point}: {time.process_time() - started:.0f} s", record, flush=True)
    return angles, points


def table(rows: list[Row], steps: int, logits: str = "all") -> str:
    """Markdown: median (least .. most) of the cosines with the gradient through `steps` steps."""
    lines = ["| objective | " + " | ".join(f"`{name}`" for name in GRADIENTS) + " |", "|---|" + "---|" * len(GRADIENTS)]
    for part in dict.fromkeys(row["part"] for row in rows):
        cells = []
        for name in GRADIENTS:
            chosen = {"part": part, "gradient": name, "steps": steps, "logits": logits}
            found = [row["cosine"] for row in rows if all(row[key] == value for key, value in chosen.items())]
            cells.append(f"{median(found):.2f} ({min(found):.2f} .. {max(found):.2f})")
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def rounded(rows: list[Row], digits: int = 5) -> list[Row]:
    """The rows with numbers of `digits` significant digits."""
    return [
        {key: float(f"{value:.{digits}g}") if isinstance(value, float) else value for key, value in row.items()}
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of CamVid, or of the data set of --config")
    parser.add_argument("--config", type=Path, default=ROOT / "config" / "camvid-cpu.yaml", help="data and division")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=3, help="per seed")
    parser.add_argument("--unroll", type=int, default=10, help="steps K of both networks at each point")
    parser.add_argument("--between", type=int, default=8, help="steps of the search between two points")
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--base-width", type=int, default=4)
    parser.add_argument("--height", type=int, default=96, help="of the crops in pixels")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--student", default="lraspp_mobilenet_v3_large")
    parser.add_argument("--warmup-epochs", type=float, default=1.5)
    parser.add_argument("--student-steps", type=int, default=100, help="before the search")
    parser.add_argument("--label-ratio", type=float, default=0.25, help="labelled images per image of student_train")
    parser.add_argument("--teacher-lr", type=float, default=0.01)
    parser.add_argument("--student-lr", type=float, default=0.01)
    parser.add_argument("--architecture-lr", type=float, default=0.03)
    parser.add_argument("--csv", type=Path, help="file for the angles")
    parser.add_argument("--points-csv", type=Path, help="file for losses and lengths at the points")
    parser.add_argument("--figure", type=Path, help="files for the picture, without .svg and .png")
    options = parser.parse_args()

    angles, points = run(options)
    for steps in sorted({1, 3, options.unroll}):
        print(f"\ncosine with the gradient through {steps} steps, median (least .. most) of {len(points)} points")
        print(table(angles, steps))
    print(f"\nprocessor time: {time.process_time():.0f} s")
    if options.csv is not None:
        write_metrics(options.csv, rounded(angles))
    if options.points_csv is not None:
        write_metrics(options.points_csv, rounded(points))
    if options.figure is not None:
        from angles_figure import draw  # only the figure needs matplotlib

        draw(angles, options.figure)


if __name__ == "__main__":
    main()
