"""mIoU of a network as it is deployed, from photographs to labels, on the held-out images of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from lbt.config.read import read_settings
from lbt.data.classes import class_table
from lbt.data.masks import read_pair
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.evaluation.scores import intersection_over_union
from lbt.runtime.progress import Progress


def score_segmenter(segment: Callable[[Tensor], Tensor], classes: tuple[str, ...], run: Path) -> float:
    """mIoU on the held-out images of a run.

    Args:
        segment: from an image (3, H, W) uint8 to labels (H, W).
        classes: names of the classes of `segment`.
        run: the folder of the run, whose settings and split are read.

    Returns:
        mIoU in [0, 1].

    Raises:
        LbtError: a file cannot be read, or the run has other classes.
    """
    data = read_settings(run / "settings.yaml").data
    table = class_table(data)
    if table.names != classes:
        raise LbtError(
            f"{run}: has the classes {', '.join(table.names)}, the network {', '.join(classes)}. Name a run with the "
            "classes of the network."
        )
    samples, count = read_split(run / "data" / "split.csv", "evaluation"), table.num_classes
    confusion = torch.zeros(count * count, dtype=torch.int64)
    with Progress("score", len(samples)) as progress:
        for sample in samples:
            assert sample.label is not None  # only unlabelled images have none
            pixels, mask = read_pair(Path(data.root) / sample.image, Path(data.root) / sample.label, data, table)
            labels = segment(torch.from_numpy(pixels).permute(2, 0, 1)).cpu().long().flatten()
            true = torch.from_numpy(mask).long().flatten()
            counted = true < count
            confusion += torch.bincount(count * true[counted] + labels[counted], minlength=count * count)
            progress.advance()
    return float(intersection_over_union(confusion.unflatten(0, (count, count))).nanmean())
