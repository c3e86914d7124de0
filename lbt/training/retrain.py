"""Retraining: trains the derived network on the whole official training part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from lbt.config import RetrainSettings
from lbt.config.jobs import RetrainGuideJob
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.splits import steps_for, training_samples
from lbt.errors import LbtError
from lbt.inference.network_file import load_trained, save_network
from lbt.network.genotype import read_genotype
from lbt.network.inherit_weights import inherit_weights
from lbt.network.network import Network
from lbt.runtime.device import prepare_device
from lbt.runtime.distributed import group
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.space.padding import upsample
from lbt.space.supernet_file import load_supernet
from lbt.training.losses import distillation_loss, segmentation_loss
from lbt.training.optimizers import GuardedStep, set_learning_rate, sgd


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        genotype: the discrete architecture.
        guide: a retrained network whose predictions are distilled into this one; None trains on the labels only.
        supernet: a round's checkpoint whose weights initialise the network; None starts from random weights.
        network: receives the weights.
        metrics: receives the losses of each step as CSV.
    """

    split: Path
    genotype: Path
    network: Path
    metrics: Path
    guide: Path | None = None
    supernet: Path | None = None


def run(settings: RetrainGuideJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Train a network and write its weights and its losses. Every method uses the same seed.

    Args:
        settings: the settings; those of a `RetrainJob` weight the distillation too.
        resume: saved state from which an interrupted run resumes; None saves none.

    Raises:
        LbtError: the input `supernet` does not fit `retrain.initial`; files with other classes or another space.
    """
    seed, method, data, space = settings.seed, settings.method, settings.data, settings.space
    retrain, guide, supernet = settings.retrain, files.guide, files.supernet
    resume = resume or Resume()
    if (retrain.initial == "supernet") != (supernet is not None):
        raise LbtError(
            f"retrain.initial is {retrain.initial}, but retraining was started with the input supernet = {supernet}. "
            "Give this input only with `initial: supernet`."
        )
    device, processes = prepare_device(settings.compute), group()
    table = class_table(data)
    shape = read_genotype(files.genotype, space)
    torch.manual_seed(derive_seed(seed, "network"))
    model = Network(shape, space, table.num_classes)
    if supernet is not None:
        inherit_weights(model, load_supernet(supernet, table.names, space, torch.device("cpu"))[0])
    model = model.to(device).train()
    guiding = None if guide is None else load_trained(guide, table.names, space).network.to(device)
    distillation_weight = retrain.distillation_weight if isinstance(retrain, RetrainSettings) else 0.0
    samples = training_samples(files.split)
    steps = steps_for(retrain.epochs, len(samples), retrain.batch_size)
    loader = training_loader(
        SegmentationDataset(samples, data, table),
        data=data,
        augmentation=settings.augmentation,
        crop=settings.augmentation.crop,
        batch_size=retrain.batch_size,
        seed=derive_seed(seed, "retrain"),
        steps=steps - resume.step,
        start=resume.step,
        workers=settings.compute.workers,
    )
    optimizer = sgd(model.parameters(), retrain.optimizer)
    guard = GuardedStep(f"network weights ({method})", model)
    rows: list[dict[str, float | int]] = []
    parts = {"network": model, "optimizer": optimizer, "guard": guard, "rows": rows}
    with Progress(f"retrain {method} seed-{seed}", steps, log, shown=processes.first) as progress:
        for step, (images, labels) in resume.steps(loader, parts, progress):
            set_learning_rate(optimizer, retrain.optimizer.lr * (1 - step / steps) ** retrain.power)
            images, labels = images.to(device), labels.to(device)
            outputs = model.heads(images)
            loss = segmentation_loss(outputs, labels, processes, retrain.auxiliary_weight)
            row: dict[str, float | int] = {"step": step, "loss": float(loss.detach())}
            if guiding is not None:
                with torch.no_grad():
                    target = guiding(images)
                logits = upsample(outputs[0], (labels.shape[-2], labels.shape[-1]))
                divergence = distillation_loss(logits, target, processes)
                row["distillation_loss"] = float(divergence.detach())
                loss = loss + distillation_weight * divergence
            loss.backward()
            processes.sum_gradients(model.parameters())
            row["gradient_norm"] = guard.apply(optimizer, {"loss": loss.detach()}, retrain.optimizer.clip_norm)
            rows.append(row | {"skipped": guard.skipped, "lr": optimizer.param_groups[0]["lr"]})
            progress.advance(loss=row["loss"])
    if processes.first:
        write_metrics(files.metrics, rows)
        save_network(
            files.network,
            model,
            space=space,
            classes=table.names,
            colors=table.colors,
            mean=data.mean,
            std=data.std,
            method=method,
            seed=seed,
        )
