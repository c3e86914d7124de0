"""The stage that scores a retrained network and writes pictures of its predictions."""

from __future__ import annotations

from pathlib import Path

import torch

from lbt.config import ComputeSettings, DataSettings, EvaluationSettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import evaluation_batches
from lbt.data.splits import read_split
from lbt.evaluation.pictures import write_labels, write_picture
from lbt.evaluation.scores import count_confusion, count_progress, scores
from lbt.files import write_json
from lbt.inference.network_file import load_trained
from lbt.runtime.device import prepare_device
from lbt.runtime.progress import Progress


def run(
    *,
    seed: int,
    method: str,
    data: DataSettings,
    space: SpaceSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    split: Path,
    network: Path,
    output: Path,
    pictures: Path,
    predictions: Path,
    log: Path | None = None,
) -> None:
    """Score the network, and show what it sees on evenly spaced images.

    `pictures` receives ground truth beside prediction, `predictions` the predicted classes as 8-bit palette images.
    """
    device = prepare_device(compute)
    table = class_table(data)
    model = load_trained(network, table.names, space).network.to(device)
    samples = read_split(split, "evaluation")
    dataset = SegmentationDataset(samples, data.root, table)
    batches = evaluation_batches(dataset, evaluation.batch_size, data)
    with Progress(f"evaluate {method} seed-{seed}", len(dataset), log) as progress:
        confusion = count_confusion(model, count_progress(batches, progress), table.num_classes, device)
    result = scores(confusion, table)

    for folder in (pictures, predictions):
        folder.mkdir(parents=True, exist_ok=True)
    count = min(evaluation.pictures, len(samples))
    for index in (i * len(samples) // count for i in range(count)):
        chosen = torch.utils.data.Subset(dataset, [index])
        images, labels = next(evaluation_batches(chosen, 1, data))
        with torch.no_grad():
            prediction = model(images.to(device)).argmax(dim=1)[0].cpu()
        name = f"{samples[index].id.replace('/', '_')}.png"
        write_picture(pictures / name, Path(data.root) / samples[index].image, labels[0], prediction, table)
        write_labels(predictions / name, prediction, table)
    write_json(output, result)
