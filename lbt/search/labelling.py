"""Labelling: the teacher of the last round predicts a shard of the unlabelled images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lbt.artifacts import sha256
from lbt.compute import prepare_device
from lbt.config import ComputeSettings, DataSettings, SearchSettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.data.dataset import decode_image
from lbt.data.normalise import normalise
from lbt.errors import LbtError
from lbt.losses import upsample
from lbt.progress import Progress
from lbt.search.pseudo_labeled import images_to_label
from lbt.search.pseudo_labels import ShardIdentity
from lbt.search.shard_writing import Prediction, write_shard
from lbt.search.supernet_file import load_supernet
from lbt.space.widths import argmax_widths


def run(
    *,
    seed: int,
    method: str,
    round: int,
    shard: int,
    code: str,
    data: DataSettings,
    space: SpaceSettings,
    search: SearchSettings,
    compute: ComputeSettings,
    split: Path,
    teacher: Path,
    output: Path,
    log: Path | None = None,
) -> None:
    """Label the images whose index modulo the number of shards is `shard`, one at a time at full size.

    Raises:
        LbtError: the shard would be empty.
    """
    device = prepare_device(compute)
    table = class_table(data)
    images = images_to_label(split, search.pseudo_labels.ratio)
    samples = images[shard :: search.shards]
    if not samples:
        raise LbtError(
            f"{split}: {len(images)} unlabelled images are to be labelled in search.shards = {search.shards} files; "
            "lower it."
        )
    supernet, architecture, _ = load_supernet(teacher, table.names, space, device)
    supernet.eval()
    widths = argmax_widths(architecture, space)
    predictions = []
    with Progress(f"label {method} seed-{seed} round-{round} shard-{shard}", len(samples), log) as progress:
        for sample in samples:
            image = decode_image(Path(data.root) / sample.image)
            with torch.no_grad():
                logits = supernet(normalise(image[None], data.mean, data.std).to(device), architecture, widths)[0]
                low = logits.softmax(dim=1)
                confidence, label = upsample(low, tuple(image.shape[-2:]))[0].max(dim=0)
            predictions.append(
                Prediction(
                    image_id=sample.id,
                    label=label.to(torch.uint8).cpu().numpy(),
                    confidence=(confidence * 255).round().to(torch.uint8).cpu().numpy(),
                    probability=low[0].cpu().numpy().astype(np.float16),
                )
            )
            progress.advance(confidence=float(confidence.mean()))
    identity = ShardIdentity(round=round, method=method, seed=seed, teacher=sha256(teacher), code=code)
    write_shard(output, predictions, table, identity)
