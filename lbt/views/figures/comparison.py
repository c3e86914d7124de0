"""The stage that draws the figures with all methods side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lbt.config import DataSettings
from lbt.config.network_jobs import CompareJob
from lbt.data.classes import ClassTable, class_table
from lbt.data.masks import read_mask, read_pair
from lbt.data.sample import picture_name
from lbt.data.splits import read_split
from lbt.runtime.progress import Progress
from lbt.views.figures.curves import BINS, draw_curves
from lbt.views.figures.panels import ARCHITECTURE, GRADIENTS, LOSSES, RETRAINING, WARMUP
from lbt.views.figures.predictions import Example, draw_predictions
from lbt.views.figures.style import save, use_style
from lbt.views.figures.tradeoff import draw_tradeoff
from lbt.views.results import ConstantScores, identify, read_columns, read_part, read_results
from lbt.views.search_metrics import read_steps


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        supernet: scores of the supernets, in `.../<method>/seed-<seed>/` like all files below; baselines have none.
        network: scores of the retrained networks.
        profile: profiles of the derived networks.
        genotype: the derived networks, in the order of `supernet`.
        constant: score of the constant prediction.
        warmup: measurements of each step of the warm-ups of the supernet, in `.../warmup/seed-<seed>/`.
        student_warmup: the same of the student, in `.../student_warmup/seed-<seed>/`; empty without a student.
        rounds: scores of the supernets after each round.
        steps: measurements of each step of the searches, in `.../round-<round>/`.
        retraining: measurements of each step of the retrainings.
        predictions: folders of label images, one per network.
        svg: receive the figures.
        png: receive the same figures as pixels.
    """

    split: Path
    supernet: tuple[Path, ...]
    network: tuple[Path, ...]
    profile: tuple[Path, ...]
    genotype: tuple[Path, ...]
    constant: Path
    warmup: tuple[Path, ...]
    rounds: tuple[Path, ...]
    steps: tuple[Path, ...]
    retraining: tuple[Path, ...]
    predictions: tuple[Path, ...]
    svg: tuple[Path, ...]
    png: tuple[Path, ...]
    student_warmup: tuple[Path, ...] = ()


def run(settings: CompareJob, files: Files, *, log: Path | None = None) -> None:
    """Write the figures into one folder."""
    networks, least = (
        read_results(files.supernet, files.network, files.profile, files.genotype, settings.space),
        read_part(files.constant, ConstantScores),
    )
    order = list(dict.fromkeys(n.method for n in networks))
    measured = pd.concat([read_steps(files.steps), _read_rounds(files.rounds)], ignore_index=True)
    searches = _sort_by_method(measured, order)
    warmups = _read_warmups(files.warmup, files.student_warmup)
    retrained = _sort_by_method(_read_retraining(files.retraining), order)
    table = class_table(settings.data)

    def figures() -> Iterator[tuple[str, Figure]]:
        yield "accuracy-latency", draw_tradeoff(networks, least, settings.search.fps)
        yield "warmup", draw_curves(warmups, WARMUP, 2, along="step")
        yield "losses", draw_curves(searches, LOSSES, 3)
        yield "architecture", draw_curves(searches, ARCHITECTURE, 3)
        yield "gradients", draw_curves(searches, GRADIENTS, 3)
        yield "retraining", draw_curves(retrained, RETRAINING, 3, along="step")
        for seed in dict.fromkeys(n.seed for n in networks):
            chosen = {method: path for path in files.predictions for method, s in [identify(path)] if s == seed}
            rows = list(_read_examples(chosen, settings.data, files.split, table))
            if rows:
                yield f"predictions-seed-{seed}", draw_predictions(rows, table, f"Retrained networks, seed {seed}")

    with Progress("figures", len({n.seed for n in networks}) + 6, log) as progress, use_style():
        for name, figure in figures():
            save(figure, files.svg[0].parent / name)
            progress.advance()


def _read_rounds(files: Sequence[Path]) -> pd.DataFrame:
    """mIoU in percent after each round, at the places of the steps that end the rounds."""
    frames = []
    for file in files:
        method, seed = identify(file)
        scores = read_columns(file, ("round", "miou"))
        miou = {"part": scores["round"], "place": scores["round"], "supernet_miou": 100 * scores["miou"]}
        frames.append(pd.DataFrame(miou).assign(method=method, seed=seed))
    return pd.concat(frames, ignore_index=True)


def _read_retraining(files: Sequence[Path]) -> pd.DataFrame:
    frames = []
    for file in files:
        method, seed = identify(file)
        frames.append(_divide(read_columns(file, ("step",))).assign(method=method, seed=seed))
    return pd.concat(frames, ignore_index=True)


def _read_warmups(supernet: Sequence[Path], student: Sequence[Path]) -> pd.DataFrame:
    """Losses of supernet and student in columns of their own; a student without warm-up has no rows."""
    frames = []
    for network, files in (("supernet", supernet), ("student", student)):
        for file in files:
            frame = read_columns(file, ("step", "loss", "gradient_norm"), least=0)
            names = {name: f"{network}_{name}" for name in ("loss", "gradient_norm")}
            frame = _divide(frame.rename(columns=names)).assign(method=network, seed=identify(file)[1])
            frames += [frame] if len(frame) else []
    return pd.concat(frames, ignore_index=True)


def _divide(steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of a training with their place, and divided into `BINS` parts."""
    return steps.assign(place=steps["step"] + 1, part=steps.index * BINS // max(1, len(steps)))


def _sort_by_method(frame: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Sort rows by method in the order of the tables, so that legends have this order too."""
    return frame.sort_values("method", key=lambda names: names.map(list(methods).index), kind="stable")


def _read_examples(folders: dict[str, Path], data: DataSettings, split: Path, table: ClassTable) -> Iterator[Example]:
    """Read the images that the methods left predictions of."""
    first = next(iter(folders.values()))
    root = Path(data.root)
    for sample in read_split(split, "evaluation"):
        name = picture_name(sample.id)
        if sample.label is None or not (first / name).is_file():
            continue
        image, label = read_pair(root / sample.image, root / sample.label, data, table)
        predictions = {method: read_mask(folder / name, None, data.max_pixels)[0] for method, folder in folders.items()}
        yield Example(sample.id, image, label, predictions)
