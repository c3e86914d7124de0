"""The stage that trains and scores some networks of a table, one after another."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from lbt.config.network_jobs import RetrainJob, TabularScoresJob
from lbt.data.classes import ClassTable, class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import evaluation_batches
from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.evaluation.scores import count_confusion, intersection_over_union
from lbt.files import write_json
from lbt.inference.network_file import load_trained
from lbt.network.enumeration import genotype_text
from lbt.network.genotype import Genotype
from lbt.runtime.device import Precision, prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.tabular.networks import networks_of_job
from lbt.training import retrain

ALL = "all"
"""Name, in columns, of all held-out images together."""
Row = dict[str, float | int | str]


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        scores: receives a row per network as CSV; see `run`.
        class_pixels: training pixels of each class, for a loss that weights the classes; None for another loss.
    """

    split: Path
    scores: Path
    class_pixels: Path | None = None


def run(
    settings: TabularScoresJob, files: Files, *, resume: Resume | None = None, code: str = "", log: Path | None = None
) -> None:
    """Train the networks of a job as `retrain` says, and score each on the held-out images.

    | column | value |
    |---|---|
    | `network` | place in the random order |
    | `genotype` | see `lbt.network.enumeration.genotype_text` |
    | `seed` | of the training |
    | `miou_<part>` | mean IoU on a part of the held-out images: those of a folder, or `all` |
    | `iou_<part>_<class>` | blank for a class without a pixel in the part |
    | `seconds` | of the training |
    | `code` | fingerprint of the code |

    Args:
        resume: saved rows from which an interrupted run resumes; they are saved after each network.

    Raises:
        LbtError: see `lbt.training.retrain.run` and `lbt.network.enumeration.list_genotypes`.
    """
    chosen = networks_of_job(settings.space, settings.tabular.per_job, settings.job)
    resume = replace(resume or Resume(), minutes=0.0)
    rows: list[Row] = []
    with Progress(f"table job {settings.job} seed-{settings.seed}", len(chosen), log) as progress:
        for _, (number, genotype) in resume.steps(chosen[resume.step :], {"rows": rows}, progress):
            started = time.monotonic()
            with TemporaryDirectory() as folder:
                network = _train(settings, files, genotype, Path(folder), log)
                seconds = round(time.monotonic() - started, 1)
                scored = _score(settings, files.split, network)
            names: Row = {"network": number, "genotype": genotype_text(genotype), "seed": settings.seed}
            rows.append(names | scored | {"seconds": seconds, "code": code})
            progress.advance(miou=float(scored[f"miou_{ALL}"]))
    write_metrics(files.scores, rows)


def _train(settings: TabularScoresJob, files: Files, genotype: Genotype, folder: Path, log: Path | None) -> Path:
    """Train a network from random weights, whatever `retrain.initial` is; returns its file."""
    random = {"initial": "random", "gpus": 1}
    job = RetrainJob(
        seed=settings.seed,
        method="table",
        space=settings.space,
        data=settings.data,
        augmentation=settings.augmentation,
        retrain=settings.retrain.model_copy(update=random),
        compute=settings.compute,
    )
    write_json(folder / "genotype.json", genotype.to_json())
    made = retrain.Files(
        split=files.split,
        genotype=folder / "genotype.json",
        class_pixels=files.class_pixels,
        network=folder / "network.pt",
        metrics=folder / "metrics.csv",
    )
    retrain.run(job, made, log=log)
    return made.network


def _score(settings: TabularScoresJob, split: Path, network: Path) -> Row:
    """Mean IoU and IoU by class on each part of the held-out images and on all."""
    device, table = prepare_device(settings.compute), class_table(settings.data)
    model = load_trained(network, table.names, settings.space).network.to(device)
    precision = Precision(settings.compute.precision, device.type)
    confusions: dict[str, Tensor] = {}
    with precision.applied() as forward:
        for part, samples in divide_by_folder(read_split(split, "evaluation")).items():
            dataset = SegmentationDataset(samples, settings.data, table)
            batches = evaluation_batches(
                dataset,
                settings.evaluation.batch_size,
                settings.data,
                workers=settings.compute.workers,
                device=device,
            )
            confusions[part] = count_confusion(
                lambda images: forward(model.main_logits, images), batches, table.num_classes, device
            )
    return score_columns(confusions, table)


def divide_by_folder(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Samples by the name of the folder that holds their image."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(PurePosixPath(sample.image).parent.name, []).append(sample)
    return found


def score_columns(confusions: Mapping[str, Tensor], table: ClassTable) -> Row:
    """The columns of scores, from the confusion (C, C) of each part; scores in [0, 1] with five decimals."""
    everything = {**confusions, ALL: torch.stack(list(confusions.values())).sum(0)}
    ious = {part: intersection_over_union(confusion) for part, confusion in everything.items()}
    row: Row = {f"miou_{part}": round(float(iou.nanmean()), 5) for part, iou in ious.items()}
    for part, iou in ious.items():
        values = zip(table.names, iou.tolist(), strict=True)
        row |= {f"iou_{part}_{name}": v if math.isnan(v) else round(v, 5) for name, v in values}
    return row
