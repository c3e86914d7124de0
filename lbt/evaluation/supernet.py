"""The stage that scores a supernet after each round of its search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.config.network_jobs import EvaluateSupernetJob
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import evaluation_batches
from lbt.data.splits import read_split
from lbt.evaluation.scores import count_confusion, count_progress, scores
from lbt.files import write_json
from lbt.runtime.device import Precision, prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.space.architecture import Architecture
from lbt.space.supernet_file import load_supernet
from lbt.space.widths import argmax_widths


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table; the held-out images are scored.
        checkpoints: of consecutive rounds, in `.../round-<round>/`, the last round's last.
        scores: receives all scores after the last round as JSON.
        rounds: receives a row per checkpoint as CSV: `round`, `miou`, `pixel_accuracy`.
    """

    split: Path
    checkpoints: tuple[Path, ...]
    scores: Path
    rounds: Path


def run(settings: EvaluateSupernetJob, files: Files, *, log: Path | None = None) -> None:
    """Score a supernet at its most probable widths, with the BatchNorm statistics its round recomputed for them."""
    data, space, batch_size = settings.data, settings.space, settings.evaluation.batch_size
    device = prepare_device(settings.compute)
    precision = Precision(settings.compute.precision, device.type)
    table = class_table(data)
    dataset = SegmentationDataset(read_split(files.split, "evaluation"), data, table)
    rows = []
    name = f"evaluate supernet {settings.method} seed-{settings.seed}"
    with Progress(name, len(files.checkpoints) * len(dataset), log) as progress:
        for checkpoint in files.checkpoints:
            supernet, architecture, _ = load_supernet(checkpoint, table.names, space, device)
            supernet.eval()
            batches = evaluation_batches(dataset, batch_size, data, workers=settings.compute.workers, device=device)
            with precision.applied() as forward:
                predict = _predictor(partial(forward, supernet), architecture, space)
                confusion = count_confusion(predict, count_progress(batches, progress), table.num_classes, device)
            result = scores(confusion, table)
            number = int(checkpoint.parent.name.removeprefix("round-"))
            rows.append({"round": number, "miou": result["miou"], "pixel_accuracy": result["pixel_accuracy"]})
    write_metrics(files.rounds, rows)
    write_json(files.scores, result)


def _predictor(
    supernet: Callable[..., tuple[Tensor, ...]], architecture: Architecture, space: SpaceSettings
) -> Callable[[Tensor], Tensor]:
    widths = argmax_widths(architecture, space)
    return lambda images: supernet(images, architecture, widths)[0]
