"""Scores of the networks that may be derived, on images that trained the architecture and never on held-out ones.

Each network inherits the supernet's weights, so a score costs a pass over teacher_val instead of a training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor

from lbt.config import DataSettings
from lbt.config.network_jobs import CandidatesJob
from lbt.data.classes import ClassTable, class_table
from lbt.data.dataset import Items, SegmentationDataset
from lbt.data.loader import decode_items, evaluation_batches, training_loader
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split
from lbt.derivation.candidate_table import describe_candidates
from lbt.errors import LbtError
from lbt.evaluation.scores import count_confusion, scores
from lbt.files import read_json
from lbt.latency.table import read_table, settings_key
from lbt.latency.window import check_window
from lbt.network.candidates import list_candidates
from lbt.network.genotype import Genotype
from lbt.network.inherit_weights import inherit_weights
from lbt.network.network import Network
from lbt.runtime.device import prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.space.architecture import architecture_from_json
from lbt.space.calibration import recalibrate
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import load_supernet

HELD_IMAGES = 128
"""Decoded images in memory at once: 1.1 GB of bytes at 1024 x 2048 pixels."""

LATENCY_EXPONENT = -0.07
"""Exponent of the milliseconds in the release's objective for two choices of branches (search/darts_utils.py)."""


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        table: the latency table.
        checkpoint: of the last round; its supernet gives the weights.
        architecture: the logits after the same round; they determine the candidates.
        candidates: receives the candidates as CSV.
    """

    split: Path
    table: Path
    checkpoint: Path
    architecture: Path
    candidates: Path


def run(settings: CandidatesJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Write the candidates of an architecture, with the scores of those that may be derived.

    Args:
        resume: saved state from which an interrupted run resumes; None saves none.

    Raises:
        LbtError: the table was measured with different settings, no candidate is inside the window, or the images have
            no labelled pixel.
    """
    data, space, derivation, evaluation = settings.data, settings.space, settings.derivation, settings.evaluation
    device, classes, table = prepare_device(settings.compute), class_table(data), read_table(files.table)
    table.check_key(settings_key(settings.latency, settings.compute.threads, classes.num_classes))
    setting, window = "search.fps", settings.search.fps
    if derivation.rule == "search":
        if derivation.fps is not None:
            setting, window = "derivation.fps", derivation.fps
        if window is not None:
            check_window(window, space, table, setting)
    logits = architecture_from_json(read_json(files.architecture), space, str(files.architecture))
    candidates = list_candidates(logits, space, derivation.rule)
    rows = describe_candidates(candidates, space, table, window)
    chosen = list(range(len(rows)))
    if derivation.rule == "search":
        chosen = [index for index in chosen if rows[index]["inside_window"] == "true"][: derivation.paths]
        if window is not None and not chosen:
            predicted = [row["predicted_fps"] for row in rows]
            raise LbtError(
                f"{setting}: none of the {len(rows)} networks that may be derived from {files.architecture} runs at "
                f"{window[0]:g} to {window[1]:g} FPS; they reach {min(predicted):.4g} to {max(predicted):.4g} FPS by "
                f"{files.table}. Change {setting}, or search more rounds with `search.fps` set, which "
                "leads the search there."
            )

    supernet, _, _ = load_supernet(files.checkpoint, classes.names, space, device)
    train = SegmentationDataset(read_split(files.split, "teacher_train"), data, classes)
    calibration = training_loader(
        train,
        data=data,
        augmentation=settings.augmentation,
        crop=settings.augmentation.crop,
        # The coarsest feature of one small crop is a single pixel, which has no variance.
        batch_size=min(max(evaluation.batch_size, 2), len(train)),
        seed=derive_seed(settings.seed, "candidates"),
        steps=evaluation.calibration_batches,
        workers=settings.compute.workers,
        device=device,
    )
    samples = read_split(files.split, "teacher_val")
    scored = [samples[i] for i in spread_indices(len(samples), derivation.images or len(samples))]
    confusions = count_confusions(
        [candidates[index].genotype for index in chosen],
        supernet,
        classes,
        [images for images, _ in calibration],
        SegmentationDataset(scored, data, classes),
        evaluation.batch_size,
        data,
        device,
        name=f"candidates {settings.method} seed-{settings.seed}",
        resume=resume or Resume(),
        workers=settings.compute.workers,
        log=log,
    )
    for index, confusion in zip(chosen, confusions, strict=True):
        if not confusion.any():
            raise LbtError(
                f"derivation.images: the {len(scored)} images of {files.split} have no labelled pixel. Take more."
            )
        row, miou = rows[index], scores(confusion, classes)["miou"]
        factor = row["predicted_ms"] ** LATENCY_EXPONENT if derivation.rule != "search" else 1.0
        row |= {"miou": miou, "objective": miou * factor}
    write_metrics(files.candidates, rows)


def count_confusions(
    genotypes: Sequence[Genotype],
    supernet: Supernet,
    classes: ClassTable,
    calibration: Sequence[Tensor],
    dataset: Items,
    batch_size: int,
    data: DataSettings,
    device: torch.device,
    *,
    name: str,
    resume: Resume,
    workers: int = 0,
    log: Path | None = None,
) -> Tensor:
    """The confusion matrix of each network with the supernet's weights, over all images.

    Images are decoded once and kept, `HELD_IMAGES` at a time, because decoding costs as much as a fast network. The
    networks are built again for each of these parts, because hundreds of them do not fit into memory either.

    Args:
        genotypes: the networks.
        supernet: its weights are copied; it does not change.
        classes: the C classes.
        calibration: batches (B, 3, h, w) on `device` for the BatchNorm statistics.
        dataset: images with labels.
        batch_size: images per forward pass.
        data: mean and standard deviation of the images.
        device: of `supernet`.
        name: shown by the progress line, which counts networks.
        resume: saved counts from which an interrupted run resumes.
        workers: number of loader processes.
        log: file for plain progress lines.

    Returns:
        Counts (networks, C, C) int64, each as from `lbt.evaluation.scores.count_confusion`.
    """
    turns = list(product(range(0, len(dataset), HELD_IMAGES), range(len(genotypes))))
    totals = torch.zeros(len(genotypes), len(classes.names), len(classes.names), dtype=torch.int64)
    held_from, held = None, []
    with Progress(name, len(turns), log) as progress:
        for _, (start, index) in resume.steps(turns[resume.step :], {"totals": totals}, progress):
            if start != held_from:
                part = range(start, min(start + HELD_IMAGES, len(dataset)))
                held_from, held = start, decode_items(dataset, part, workers)
            network = build_calibrated_network(genotypes[index], supernet, classes, calibration, device)
            batches = evaluation_batches(held, batch_size, data, device=device)
            totals[index] += count_confusion(network.main_logits, batches, len(classes.names), device)
            progress.advance(miou=scores(totals[index], classes)["miou"])
    return totals


def build_calibrated_network(
    genotype: Genotype, supernet: Supernet, classes: ClassTable, calibration: Sequence[Tensor], device: torch.device
) -> Network:
    """Build a network with the supernet's weights and its own BatchNorm statistics, in evaluation mode on `device`."""
    network = Network(genotype, supernet.space, len(classes.names)).to(device).eval()
    inherit_weights(network, supernet)
    recalibrate(network, calibration, network)
    return network
