"""Warm-up: trains the supernet's weights at all widths while the architecture is frozen.

Each step trains the widest, the narrowest and two random sub-networks on one batch (sandwich rule; Yu and Huang,
Universally Slimmable Networks, ICCV 2019), as FasterSeg's pretraining does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbt.config.jobs import WarmupJob
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.decoded_cache import keep_decoded
from lbt.data.loader import training_loader
from lbt.data.splits import read_split, steps_for
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.device import FLOAT32, Precision, prepare_device
from lbt.runtime.distributed import Group, group
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed, generator
from lbt.space.architecture import Architecture, first_architecture
from lbt.space.calibration import calibrate_supernet
from lbt.space.slimmable import slices_added_in_place
from lbt.space.supernet import Supernet, memory_formats
from lbt.space.supernet_file import KIND, supernet_identity
from lbt.space.widths import Widths, draw_random_widths, max_widths, min_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep, set_learning_rate, settle, sgd


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        checkpoint: receives the supernet.
        metrics: receives the losses of each step as CSV.
    """

    split: Path
    checkpoint: Path
    metrics: Path


def run(settings: WarmupJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Train a supernet from random weights and write its checkpoint and its losses.

    Args:
        resume: saved state from which an interrupted run resumes; None saves none.
    """
    seed, data, space, warmup = settings.seed, settings.data, settings.space, settings.warmup
    resume = resume or Resume()
    device, processes = prepare_device(settings.compute), group()
    precision = Precision(settings.compute.precision, device.type)
    table = class_table(data)
    torch.manual_seed(derive_seed(seed, "supernet"))
    supernet = Supernet(space, table.num_classes, memory_formats(device)).to(device).train()
    architecture = first_architecture(space, seed)

    samples = read_split(files.split, "teacher_train")
    dataset = keep_decoded(SegmentationDataset(samples, data, table), settings.compute.cache, settings.compute.cache_gb)
    steps = steps_for(warmup.epochs, len(samples), warmup.batch_size)

    def batches(name: str, length: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        loader = training_loader(
            dataset,
            data=data,
            augmentation=settings.augmentation,
            crop=settings.augmentation.crop,
            batch_size=warmup.batch_size,
            seed=derive_seed(seed, name),
            steps=length - start,
            start=start,
            workers=settings.compute.workers,
            device=device,
        )
        return ((images, labels) for images, labels in loader)

    optimizer = sgd(supernet.parameters(), warmup.optimizer)
    guard, draws = GuardedStep("warm-up weights", supernet), generator(seed, "warmup widths")
    rows: list[dict[str, float | int]] = []
    parts = {"supernet": supernet, "optimizer": optimizer, "guard": guard, "draws": draws, "rows": rows}
    with Progress(f"warmup seed-{seed}", steps, log, shown=processes.first) as progress:
        for step, (images, labels) in resume.steps(batches("warmup", steps, resume.step), parts, progress):
            epoch = step * warmup.batch_size // len(samples)
            set_learning_rate(optimizer, warmup.optimizer.lr * warmup.decay**epoch)
            sizes = max_widths(space), min_widths(space), *(draw_random_widths(space, draws) for _ in range(2))
            batch, clip_norm = (images, labels), warmup.optimizer.clip_norm
            values = warmup_step(
                supernet, batch, architecture, sizes, optimizer, guard, clip_norm, processes, precision
            )
            lr = optimizer.param_groups[0]["lr"]
            rows.append({"step": step, **values, "skipped": guard.skipped, "lr": lr})
            progress.advance(loss=values["loss"])

    calibration = batches("calibration", settings.evaluation.calibration_batches)
    calibrate_supernet(supernet, architecture, space, (images for images, _ in calibration))
    if processes.first:
        write_metrics(files.metrics, rows)
        save_checkpoint(
            files.checkpoint,
            kind=KIND,
            identity=supernet_identity(table.names, space, seed, "warmup", 0),
            state={"supernet": supernet.state_dict(), "architecture": architecture},
        )


def warmup_step(
    supernet: Supernet,
    batch: tuple[Tensor, Tensor],
    architecture: Architecture,
    sizes: Sequence[Widths],
    optimizer: torch.optim.SGD,
    guard: GuardedStep,
    clip_norm: float,
    processes: Group,
    precision: Precision = FLOAT32,
) -> dict[str, float]:
    """One step on the sum of the losses of several sub-networks.

    Args:
        batch: images (B, 3, H, W) and labels (B, H, W).
        sizes: the widths of each sub-network.
        guard, clip_norm: see `GuardedStep.attempt`.
        precision: the number format of the passes.

    Returns:
        The mean loss, and the norm of the gradient; NaN if the update was skipped.
    """
    images, labels = batch
    losses = []
    with slices_added_in_place(), precision.applied() as forward:
        for widths in sizes:
            loss = supernet_loss(forward(supernet, images, architecture, widths), labels, processes)
            loss.backward()
            losses.append(loss.detach())
    mean = torch.stack(losses).mean()
    processes.sum_gradients(supernet.parameters())
    norm = guard.attempt(optimizer, {"loss": mean}, clip_norm)
    values, _ = settle({"weights": guard}, {"loss": mean, "gradient_norm": norm})
    return values
