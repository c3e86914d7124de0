"""The stage that labels: the teacher of the previous round predicts a shard of the unlabelled images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from lbt.config import ComputeSettings, DataSettings, SearchSettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.data.dataset import decode_image
from lbt.data.images import image_size
from lbt.data.normalise import normalise
from lbt.errors import LbtError
from lbt.files import sha256
from lbt.pseudo_labels.dataset import images_to_label
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard
from lbt.runtime.device import prepare_device
from lbt.runtime.progress import Progress
from lbt.space.padding import upsample
from lbt.space.supernet_file import load_supernet
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

    Memory does not grow with their number: each prediction is written before the next one is made.

    Raises:
        LbtError: the shard would be empty, an image cannot be read, or the shard cannot be written.
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
    files = {sample.id: Path(data.root) / sample.image for sample in samples}
    sizes = {image_id: image_size(file) for image_id, file in files.items()}
    identity = ShardIdentity(round=round, method=method, seed=seed, teacher=sha256(teacher), code=code)

    def predictions(progress: Progress) -> Iterator[ImagePrediction]:
        for image_id, file in files.items():
            image = decode_image(file)
            size = tuple(image.shape[-2:])
            if size != sizes[image_id]:
                raise LbtError(
                    f"{file}: is {size[1]} x {size[0]} pixels (width x height), its header said {sizes[image_id][1]} x "
                    f"{sizes[image_id][0]} when labelling began. Save the image again, and label again."
                )
            with torch.no_grad():
                logits = supernet(normalise(image[None], data.mean, data.std).to(device), architecture, widths)[0]
                low = logits.softmax(dim=1)
                confidence, label = upsample(low, size)[0].max(dim=0)
            yield ImagePrediction(
                image_id=image_id,
                label=label.to(torch.uint8).cpu().numpy(),
                confidence=(confidence * 255).round().to(torch.uint8).cpu().numpy(),
                probability=low[0].cpu().numpy().astype(np.float16),
            )
            progress.advance(confidence=float(confidence.mean()))

    with Progress(f"label {method} seed-{seed} round-{round} shard-{shard}", len(samples), log) as progress:
        write_shard(output, predictions(progress), sizes, table, identity)
