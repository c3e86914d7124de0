"""Score of a supernet after its search."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from lbt.artifacts import write_json
from lbt.compute import prepare_device
from lbt.config import ComputeSettings, DataSettings, EvaluationSettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset, evaluation_batches
from lbt.data.splits import read_split
from lbt.evaluation.scores import count_confusion, counted, scores
from lbt.losses import upsample
from lbt.progress import Progress
from lbt.search.state import load_supernet
from lbt.space.widths import argmax_widths


def run(
    *,
    seed: int,
    method: str,
    data: DataSettings,
    space: SpaceSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    split: Path,
    checkpoint: Path,
    output: Path,
    log: Path | None = None,
) -> None:
    """Score a supernet at its most probable widths, with the BatchNorm statistics its round recomputed for them."""
    device = prepare_device(compute)
    table = class_table(data)
    supernet, architecture, _ = load_supernet(checkpoint, table.names, space, device)
    supernet.eval()
    widths = argmax_widths(architecture, space)

    def predict(images: Tensor) -> Tensor:
        return upsample(supernet(images, architecture, widths)[0], tuple(images.shape[-2:]))

    dataset = SegmentationDataset(read_split(split, "evaluation"), data.root, table)
    batches = evaluation_batches(dataset, evaluation.batch_size, data)
    with Progress(f"evaluate supernet {method} seed-{seed}", len(dataset), log) as progress:
        confusion = count_confusion(predict, counted(batches, progress), table.num_classes, device)
    write_json(output, scores(confusion, table))
