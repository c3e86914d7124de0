"""Warm-up of the student: it learns from its labelled images before the search, as the supernet does.

The first round of each method with a student starts from its weights, so the student's validation loss measures labels
and not random features. The optimiser starts anew in the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.jobs import StudentWarmupJob
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.decoded_cache import keep_decoded
from lbt.data.loader import training_loader
from lbt.data.splits import read_split, steps_for
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.device import Precision, prepare_device
from lbt.runtime.distributed import group
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.search.pretrained_weights import load_pretrained_weights
from lbt.search.student_file import KIND, student_identity
from lbt.search.torchvision_network import build_network, fixed_noise, labelled_loss
from lbt.training.optimizers import GuardedStep, settle, sgd

COLUMNS = ("step", "loss", "gradient_norm", "skipped", "lr")


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        checkpoint: receives the student.
        metrics: receives the loss of each step as CSV.
        weights: the file that `search.student.weights` names, if it names one.
    """

    split: Path
    checkpoint: Path
    metrics: Path
    weights: Path | None = None


def run(settings: StudentWarmupJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Train the student from its first weights on D_s^tr and write its checkpoint and its losses.

    Args:
        resume: saved state from which an interrupted run resumes; None saves none.

    Raises:
        LbtError: the first weights are not available or do not fit; too many updates in a row were not finite.
    """
    seed, data, student = settings.seed, settings.data, settings.search.student
    resume = resume or Resume()
    device, processes, table = prepare_device(settings.compute), group(), class_table(data)
    precision = Precision(settings.compute.precision, device.type)
    network = build_network(student, table.num_classes, derive_seed(seed, "student"), processes)
    load_pretrained_weights(network, student, table.num_classes)
    network.to(device)

    samples = read_split(files.split, "student_train")
    steps = steps_for(student.warmup_epochs, len(samples), student.batch_size) if student.warmup_epochs > 0 else 0
    batches = training_loader(
        keep_decoded(SegmentationDataset(samples, data, table), settings.compute.cache, settings.compute.cache_gb),
        data=data,
        augmentation=settings.augmentation,
        crop=student.crop,
        batch_size=student.batch_size,
        seed=derive_seed(seed, "student warmup"),
        steps=steps - resume.step,
        start=resume.step,
        workers=settings.compute.workers,
        device=device,
    )
    optimizer = sgd(network.parameters(), student.optimizer)
    guard = GuardedStep("student's warm-up", network)
    rows: list[dict[str, float | int]] = []
    parts = {"student": network, "optimizer": optimizer, "guard": guard, "rows": rows}
    with Progress(f"student-warmup seed-{seed}", steps, log, shown=processes.first) as progress:
        for step, (images, labels) in resume.steps(batches, parts, progress):
            with precision.applied() as forward:
                with fixed_noise(derive_seed(seed, "student warmup dropout", step), device):
                    logits = forward(network, images)["out"]
                loss = labelled_loss(logits, labels, processes)
                loss.backward()
            processes.sum_gradients(network.parameters())
            loss = loss.detach()
            norm = guard.attempt(optimizer, {"loss": loss}, student.optimizer.clip_norm)
            values, _ = settle({"student": guard}, {"loss": loss, "gradient_norm": norm})
            rows.append({"step": step, **values, "skipped": guard.skipped, "lr": student.optimizer.lr})
            progress.advance(loss=values["loss"])

    if processes.first:
        write_metrics(files.metrics, rows, COLUMNS)
        save_checkpoint(
            files.checkpoint,
            kind=KIND,
            identity=student_identity(table.names, student.model, seed),
            state={"student": network.state_dict()},
        )
