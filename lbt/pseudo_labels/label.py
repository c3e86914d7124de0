"""The stage that labels: the teacher of the previous round predicts a shard of the unlabelled images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbt.config.jobs import LabelJob
from lbt.data.classes import class_table
from lbt.data.dataset import decode_image
from lbt.data.images import read_facts
from lbt.data.normalise import normalise
from lbt.errors import LbtError
from lbt.files import sha256
from lbt.pseudo_labels.compute_ahead import compute_ahead
from lbt.pseudo_labels.dataset import images_to_label
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard
from lbt.runtime.device import Precision, prepare_device
from lbt.runtime.progress import Progress
from lbt.space.class_map import class_map
from lbt.space.supernet_file import load_supernet
from lbt.space.widths import argmax_widths


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        teacher: checkpoint whose supernet labels the images.
        labels: receives the labels with their colours and confidences as HDF5.
        probabilities: receives the probabilities as HDF5.
    """

    split: Path
    teacher: Path
    labels: Path
    probabilities: Path


def run(settings: LabelJob, files: Files, *, code: str = "", log: Path | None = None) -> None:
    """Label the images whose index modulo the number of shards is `shard`, one at a time at full size.

    Threads (`compute.workers`) decode the next images and compress the previous predictions while the network works.
    The files do not depend on their number, and memory does not grow with the number of images.

    Args:
        code: fingerprint of the stage's code, which the shard records.

    Raises:
        LbtError: the shard would be empty, an image cannot be read, or the shard cannot be written.
    """
    seed, method, round, shard = settings.seed, settings.method, settings.round, settings.shard
    data, search = settings.data, settings.search
    device = prepare_device(settings.compute)
    precision = Precision(settings.compute.precision, device.type)
    table = class_table(data)
    images = images_to_label(files.split, search.pseudo_labels.ratio)
    samples = images[shard :: search.shards]
    if not samples:
        raise LbtError(
            f"{files.split}: {len(images)} unlabelled images cannot fill search.shards = {search.shards} files; lower "
            "search.shards."
        )
    supernet, architecture, _ = load_supernet(files.teacher, table.names, settings.space, device)
    supernet.eval()
    widths = argmax_widths(architecture, settings.space)
    photographs = {sample.id: Path(data.root) / sample.image for sample in samples}
    sizes = {image_id: read_facts(file, data.max_pixels).size for image_id, file in photographs.items()}
    identity = ShardIdentity(round=round, method=method, seed=seed, teacher=sha256(files.teacher), code=code)

    def decode(image_id: str) -> Tensor:
        file, size = photographs[image_id], sizes[image_id]
        image = decode_image(file, data)
        height, width = image.shape[-2:]
        if (height, width) != size:
            raise LbtError(
                f"{file}: is {width} x {height} pixels (width x height), its header said {size[1]} x {size[0]} when "
                "labelling began. Save the image again, and label again."
            )
        return image

    def predictions(progress: Progress) -> Iterator[ImagePrediction]:
        with closing(compute_ahead(decode, photographs, settings.compute.workers)) as images:
            for image_id, image in zip(photographs, images, strict=True):
                with torch.no_grad(), precision.applied() as forward:
                    normalised = normalise(image[None].to(device), data.mean, data.std)
                    low = forward(supernet, normalised, architecture, widths)[0].softmax(dim=1)
                    label = class_map(low, sizes[image_id])[0]
                yield ImagePrediction(image_id=image_id, label=label.cpu().numpy(), probability=low[0].cpu().numpy())
                progress.advance(confidence=float(low.amax(dim=1).mean()))

    with Progress(f"label {method} seed-{seed} round-{round} shard-{shard}", len(samples), log) as progress:
        found, threads = predictions(progress), settings.compute.workers
        write_shard(files.labels, files.probabilities, found, sizes, table, identity, threads)
