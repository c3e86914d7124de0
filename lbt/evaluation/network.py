"""The stage that scores a retrained network and writes pictures of its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from lbt.config.network_jobs import EvaluateNetworkJob
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.images import read_image
from lbt.data.loader import evaluation_batches
from lbt.data.sample import picture_name, spread_indices
from lbt.data.splits import read_split
from lbt.evaluation.both_precisions import BothPrecisions
from lbt.evaluation.image_scores import count_each, find_extremes, image_mious
from lbt.evaluation.pictures import write_labels, write_picture
from lbt.evaluation.scores import count_progress, scores
from lbt.files import write_json
from lbt.inference.network_file import load_trained
from lbt.runtime.device import Precision, has_bfloat16, prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.space.class_map import class_map


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table; the held-out images are scored.
        network: the retrained network.
        scores: receives the scores as JSON.
        images: receives `image_id` and `miou` of every image as CSV; see `lbt.evaluation.image_scores.image_mious`.
        pictures: folder for pictures of ground truth beside prediction: evenly spaced images, the worst and the best.
        predictions: folder for the predicted classes of the evenly spaced images as 8-bit palette images.
    """

    split: Path
    network: Path
    scores: Path
    images: Path
    pictures: Path
    predictions: Path


def run(settings: EvaluateNetworkJob, files: Files, *, log: Path | None = None) -> None:
    """Score the network and every image, and show predictions on evenly spaced, the worst and the best images."""
    data, evaluation = settings.data, settings.evaluation
    device = prepare_device(settings.compute)
    precision = Precision(settings.compute.precision, device.type)
    table = class_table(data)
    model = load_trained(files.network, table.names, settings.space).network.to(device)
    samples = read_split(files.split, "evaluation")
    dataset = SegmentationDataset(samples, data, table)
    batches = evaluation_batches(dataset, evaluation.batch_size, data, workers=settings.compute.workers, device=device)
    # The bfloat16 form is compared with float32, so not where the scores are those of another format.
    pair = BothPrecisions(model) if has_bfloat16(device) and precision.name == "float32" else None
    name = f"evaluate {settings.method} seed-{settings.seed}"
    with Progress(name, len(dataset), log) as progress, precision.applied() as forward:
        predict = partial(forward, pair or model.main_logits)
        confusions = count_each(predict, count_progress(batches, progress), table.num_classes, device)
    equal = None if pair is None else {"equal_labels": pair.equal_labels}
    result, mious = scores(confusions.sum(dim=0), table) | {"bfloat16": equal}, image_mious(confusions)
    write_metrics(files.images, [{"image_id": s.id, "miou": miou} for s, miou in zip(samples, mious, strict=True)])

    for folder in (files.pictures, files.predictions):
        folder.mkdir(parents=True, exist_ok=True)
    spread = spread_indices(len(samples), evaluation.pictures)
    for index in sorted({*spread, *find_extremes(mious, evaluation.pictures)}):
        chosen = torch.utils.data.Subset(dataset, [index])
        images, labels = next(evaluation_batches(chosen, 1, data))
        with torch.no_grad(), precision.applied() as forward:
            logits = forward(model.main_logits, images.to(device))
            prediction = class_map(logits, (labels.shape[-2], labels.shape[-1]))[0].cpu()
        name = picture_name(samples[index].id)
        photograph = read_image(Path(data.root) / samples[index].image, data.max_pixels)
        write_picture(files.pictures / name, photograph, labels[0], prediction, table)
        if index in spread:  # of these, figures show the predictions of all methods
            write_labels(files.predictions / name, prediction, table)
    write_json(files.scores, result)
