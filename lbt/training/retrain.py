"""Retraining: trains a derived network or a baseline on the whole official training part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from lbt.baselines import build_network
from lbt.config import RetrainSettings
from lbt.config.baselines import BASELINES
from lbt.config.network_jobs import RetrainGuideJob
from lbt.data.class_pixels import read_class_pixels
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.decoded_cache import keep_decoded
from lbt.data.loader import training_loader
from lbt.data.splits import steps_for, training_samples
from lbt.errors import LbtError
from lbt.inference.network_file import load_trained, save_network
from lbt.network.genotype import read_genotype
from lbt.network.inherit_weights import inherit_weights
from lbt.network.network import Network
from lbt.network.trainable import TrainableNetwork
from lbt.runtime.device import Precision, prepare_device
from lbt.runtime.distributed import group
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.space.batch_norm import synchronise_batch_norms
from lbt.space.padding import upsample
from lbt.space.supernet_file import load_supernet
from lbt.training.losses import distillation_loss
from lbt.training.optimizers import GuardedStep, set_learning_rate, settle
from lbt.training.retrain_loss import pixel_loss, retraining_loss
from lbt.training.retrain_optimizer import build_optimizer, learning_rate
from lbt.training.weight_average import moving_average


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        genotype: the discrete architecture; None for a baseline.
        guide: a retrained network whose predictions are distilled into this one; None trains on the labels only.
        supernet: a round's checkpoint whose weights initialise the network; None starts from random weights.
        class_pixels: training pixels of each class, for a loss that weights the classes; None for another loss.
        network: receives the weights.
        metrics: receives the losses of each step as CSV.
    """

    split: Path
    network: Path
    metrics: Path
    genotype: Path | None = None
    guide: Path | None = None
    supernet: Path | None = None
    class_pixels: Path | None = None


def run(settings: RetrainGuideJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Train a network and write its weights and its losses. Every method uses the same seed.

    Args:
        settings: the settings; those of a `RetrainJob` weight the distillation too.
        resume: saved state from which an interrupted run resumes; None saves none.

    Raises:
        LbtError: the input `genotype` does not fit the method, `supernet` does not fit `retrain.initial`, or
            `class_pixels` the loss; files with other classes or another space.
    """
    seed, method, data, space = settings.seed, settings.method, settings.data, settings.space
    retrain, guide = settings.retrain, files.guide
    resume = resume or Resume()
    device, processes = prepare_device(settings.compute), group()
    precision = Precision(settings.compute.precision, device.type)
    table = class_table(data)
    memory_format = torch.channels_last if retrain.channels_last else torch.contiguous_format
    model = _initial_network(settings, files, table.names).to(device).to(memory_format=memory_format).train()
    counted = None if files.class_pixels is None else read_class_pixels(files.class_pixels, table.names)
    loss_of = pixel_loss(retrain, counted, processes)
    guiding = None if guide is None else load_trained(guide, table.names, space).network.to(device)
    distillation_weight = retrain.distillation_weight if isinstance(retrain, RetrainSettings) else 0.0
    samples = training_samples(files.split)
    steps = steps_for(retrain.epochs, len(samples), retrain.batch_size)
    loader = training_loader(
        keep_decoded(SegmentationDataset(samples, data, table), settings.compute.cache, settings.compute.cache_gb),
        data=data,
        augmentation=settings.augmentation,
        crop=settings.augmentation.crop,
        batch_size=retrain.batch_size,
        seed=derive_seed(seed, "retrain"),
        steps=steps - resume.step,
        start=resume.step,
        workers=settings.compute.workers,
        device=device,
    )
    optimizer = build_optimizer(model, retrain.optimizer)
    guard = GuardedStep(f"network weights ({method})", model)
    average = moving_average(model, retrain.ema_decay) if retrain.ema_decay else None
    rows: list[dict[str, float | int]] = []
    parts: dict[str, Any] = {"network": model, "optimizer": optimizer, "guard": guard, "rows": rows}
    parts |= {} if average is None else {"average": average}
    with Progress(f"retrain {method} seed-{seed}", steps, log, shown=processes.first) as progress:
        for step, (images, labels) in resume.steps(loader, parts, progress):
            lr = learning_rate(step, steps, lr=retrain.optimizer.lr, warmup=retrain.lr_warmup, power=retrain.power)
            set_learning_rate(optimizer, lr)
            images, labels = images.to(device, memory_format=memory_format), labels.to(device)
            with precision.applied() as forward:
                outputs = forward(model.heads, images)
                upsampled = retrain.auxiliary_size == "image"
                loss = retraining_loss(outputs, labels, loss_of, retrain.auxiliary_weight, upsampled=upsampled)
                values = {"loss": loss.detach()}
                if guiding is not None:
                    with torch.no_grad():
                        target = forward(guiding, images)
                    logits = upsample(outputs[0], (labels.shape[-2], labels.shape[-1]))
                    divergence = distillation_loss(logits, target, processes)
                    values["distillation_loss"] = divergence.detach()
                    loss = loss + distillation_weight * divergence
                loss.backward()
            processes.sum_gradients(model.parameters())
            norm = guard.attempt(optimizer, {"loss": loss.detach()}, retrain.optimizer.clip_norm)
            measured, skipped = settle({"network": guard}, {**values, "gradient_norm": norm})
            if average is not None and not skipped:
                average.update_parameters(model)
            rows.append({"step": step, **measured, "skipped": guard.skipped, "lr": lr})
            progress.advance(loss=measured["loss"])
    if processes.first:
        write_metrics(files.metrics, rows)
        trained = model if average is None else cast(TrainableNetwork, average.module)
        save_network(
            files.network,
            trained.to(memory_format=torch.contiguous_format),
            space=space,
            classes=table.names,
            colors=table.colors,
            mean=data.mean,
            std=data.std,
            method=method,
            seed=seed,
        )


def _initial_network(settings: RetrainGuideJob, files: Files, classes: tuple[str, ...]) -> TrainableNetwork:
    """The network on the CPU with its first weights; those of the heads that only training uses are always drawn.

    A baseline has neither genotype nor supernet, so all its weights are drawn.
    """
    is_baseline = settings.method in BASELINES
    if is_baseline != (files.genotype is None):
        raise LbtError(
            f"method is {settings.method}, but retraining was started with the input genotype = {files.genotype}. "
            "Give this input to all networks but the baselines."
        )
    if (settings.retrain.initial == "supernet" and not is_baseline) != (files.supernet is not None):
        raise LbtError(
            f"retrain.initial is {settings.retrain.initial}, but retraining was started with the input supernet = "
            f"{files.supernet}. Give this input only with `initial: supernet`, and not to a baseline."
        )
    genotype = None if files.genotype is None else read_genotype(files.genotype, settings.space)
    torch.manual_seed(derive_seed(settings.seed, "network"))
    network = build_network(genotype, settings.method, settings.space, len(classes))
    if group().size > 1:
        synchronise_batch_norms(network)
    if files.supernet is not None:
        supernet = load_supernet(files.supernet, classes, settings.space, torch.device("cpu"))[0]
        inherit_weights(cast(Network, network), supernet)
    return network
