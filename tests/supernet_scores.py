"""Scores of networks with the weights of a supernet, on images that a search may see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lbt.config import Settings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split
from lbt.derivation.score_candidates import count_confusions
from lbt.evaluation.scores import scores
from lbt.network.genotype import Genotype
from lbt.runtime.device import prepare_device
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.space.supernet_file import load_supernet


def score_with_supernet(
    genotypes: Sequence[Genotype], settings: Settings, split: Path, checkpoint: Path, seed: int, name: str
) -> list[float]:
    """mIoU of networks on `teacher_val`, each with BatchNorm statistics of its own, as in the stage `candidates`.

    Args:
        genotypes: the networks.
        settings: of the run.
        split: the split table.
        checkpoint: holds the supernet.
        seed: of the search; it draws the batches for the statistics.
        name: for the progress line.
    """
    data = settings.data
    device, classes = prepare_device(settings.compute), class_table(data)
    supernet, _, _ = load_supernet(checkpoint, classes.names, settings.space, device)
    train = SegmentationDataset(read_split(split, "teacher_train"), data, classes)
    calibration = training_loader(
        train,
        data=data,
        augmentation=settings.augmentation,
        crop=settings.augmentation.crop,
        batch_size=min(max(settings.evaluation.batch_size, 2), len(train)),
        seed=derive_seed(seed, "candidates"),
        steps=settings.evaluation.calibration_batches,
        workers=settings.compute.workers,
    )
    samples = read_split(split, "teacher_val")
    chosen = [samples[i] for i in spread_indices(len(samples), settings.derivation.images or len(samples))]
    confusions = count_confusions(
        genotypes,
        supernet,
        classes,
        [images.to(device) for images, _ in calibration],
        SegmentationDataset(chosen, data, classes),
        settings.evaluation.batch_size,
        data,
        device,
        name=name,
        resume=Resume(),
    )
    return [scores(confusion, classes)["miou"] for confusion in confusions]
