"""Retraining: the derived network learns from random weights on the whole official training part."""

from __future__ import annotations

from pathlib import Path

import torch

from lbt.artifacts import digest
from lbt.checkpoint import load_checkpoint, save_checkpoint
from lbt.compute import prepare_device
from lbt.config import AugmentationSettings, ComputeSettings, DataSettings, RetrainSettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset, training_loader
from lbt.data.splits import training_samples
from lbt.losses import segmentation_loss
from lbt.metrics import write_metrics
from lbt.optimisation import GuardedStep, set_learning_rate, sgd
from lbt.progress import Progress
from lbt.seeding import derive_seed
from lbt.space.genotype import Genotype, read_genotype
from lbt.space.network import Network
from lbt.steps import steps_for

KIND = "network"


def run(
    *,
    seed: int,
    method: str,
    data: DataSettings,
    augmentation: AugmentationSettings,
    space: SpaceSettings,
    retrain: RetrainSettings,
    compute: ComputeSettings,
    split: Path,
    genotype: Path,
    network: Path,
    metrics: Path,
    log: Path | None = None,
) -> None:
    """Train the network of `genotype` and write its weights and its losses. The same seed serves every method."""
    device = prepare_device(compute)
    table = class_table(data)
    shape = read_genotype(genotype, space)
    torch.manual_seed(derive_seed(seed, "network"))
    model = Network(shape, space, table.num_classes).to(device).train()
    samples = training_samples(split)
    steps = steps_for(retrain.epochs, len(samples), retrain.batch_size)
    loader = training_loader(
        SegmentationDataset(samples, data.root, table),
        data=data,
        augmentation=augmentation,
        crop=augmentation.crop,
        batch_size=retrain.batch_size,
        seed=derive_seed(seed, "retrain"),
        steps=steps,
        workers=compute.workers,
    )
    optimizer = sgd(model.parameters(), retrain.optimizer)
    guard, rows = GuardedStep(f"network weights ({method})"), []
    with Progress(f"retrain {method} seed-{seed}", steps, log) as progress:
        for step, (images, labels) in enumerate(loader):
            set_learning_rate(optimizer, retrain.optimizer.lr * (1 - step / steps) ** retrain.power)
            outputs = model.heads(images.to(device))
            loss = segmentation_loss(outputs, labels.to(device), retrain.auxiliary_weight)
            loss.backward()
            norm = guard.apply(optimizer, loss.detach(), retrain.optimizer.clip_norm)
            lr = optimizer.param_groups[0]["lr"]
            rows.append({"step": step, "loss": float(loss), "gradient_norm": norm, "skipped": guard.skipped, "lr": lr})
            progress.advance(loss=float(loss))
    write_metrics(metrics, rows)
    save_checkpoint(
        network,
        kind=KIND,
        identity={
            "classes": list(table.names),
            "colors": [list(c) for c in table.colors],
            "mean": list(data.mean),
            "std": list(data.std),
            "space": digest(space.model_dump(mode="json")),
            "seed": seed,
            "method": method,
        },
        state={"genotype": shape.to_json(), "network": model.state_dict()},
    )


def load_network(path: Path, classes: tuple[str, ...], space: SpaceSettings) -> Network:
    """The retrained network of a file, in eval mode on the CPU.

    Raises:
        LbtError: damaged file, other classes or another space.
    """
    expect = {"classes": list(classes), "space": digest(space.model_dump(mode="json"))}
    content = load_checkpoint(path, kind=KIND, expect=expect)
    model = Network(Genotype.from_json(content["genotype"], space, str(path)), space, len(classes))
    model.load_state_dict(content["network"])
    return model.eval()
