"""Estimate how long a run takes here: a few timed passes times the numbers of steps, and the starts of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import segmentation

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.data.augment import augment
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.sample import Sample
from lbt.data.splits import steps_for
from lbt.latency.parts import list_space_parts
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.runtime.device import prepare_device
from lbt.space.architecture import first_architecture
from lbt.space.supernet import Supernet, memory_formats
from lbt.space.widths import draw_random_widths

_TIMES = 3
_WARMUP_PASSES = 4
_TEACHER_PASSES = 1
_ARCHITECTURE_PASSES, _STUDENT_PASSES = 2, 7
"""Passes of the supernet in an architecture step of `lbt`, on images and on unlabelled ones; and of the student in a
step: two kinds of images forward and backward, held-out ones, and the derivative along their gradient."""
_STUDENT_BATCHES = 3
_FORWARD = 0.35
"""Share of a forward and backward pass that a forward pass takes."""
_TABLE = 1.5
"""Time of the latency table over the time in which its entries are measured."""
_SHARED_JOBS, _JOBS_OF_A_METHOD, _JOBS_OF_A_ROUND, _JOBS_OF_LABELS = 12, 6, 1, 2


@dataclass(frozen=True)
class Passes:
    """Seconds of a forward and backward pass of a batch, of reading and augmenting an image, and of a job's start."""

    supernet: float
    student: float
    network: float
    image: float
    start: float


@dataclass(frozen=True)
class Duration:
    """An estimate.

    Attributes:
        minutes: of the whole run.
        how: how it was obtained, in words.
    """

    minutes: float
    how: str

    def __str__(self) -> str:
        if self.minutes < 90:
            step = 5 if self.minutes >= 10 else 1
            count = max(1, round(self.minutes / step) * step)
            return f"about {count} minute{'s' if count > 1 else ''}"
        return f"about {self.minutes / 60:.1f} hours" if self.minutes < 600 else f"about {self.minutes / 60:.0f} hours"


def estimate_duration(settings: Settings, roles: Mapping[str, Sequence[Sample]], classes: int, cores: int) -> Duration:
    """Time some passes here and multiply.

    Args:
        settings: of the run.
        roles: images of each role.
        classes: number of classes.
        cores: of this machine that the run may use.
    """
    passes = time_passes(settings, roles["teacher_train"], classes)
    minutes = add_up(settings, {role: len(samples) for role, samples in roles.items()}, classes, passes, cores)
    how = (
        f"passes of one batch timed here (supernet {passes.supernet:.2g} s, student {passes.student:.2g} s, network "
        f"{passes.network:.2g} s, start of a job {passes.start:.2g} s) times the numbers of steps, on {cores} core(s) "
        "that nothing else uses"
    )
    return Duration(minutes, how)


def add_up(settings: Settings, counts: Mapping[str, int], classes: int, passes: Passes, cores: int) -> float:
    """Minutes of a run: its longest chain of jobs, or all its work divided among the cores, whichever is longer.

    Args:
        settings: of the run.
        counts: number of images of each role.
        classes: number of classes.
        passes: what was timed.
        cores: see `estimate_duration`.
    """
    warmup, search, retrain, student = settings.warmup, settings.search, settings.retrain, settings.search.student
    teacher, together = counts["teacher_train"], counts["teacher_train"] + counts["teacher_val"]
    image = passes.image / max(1, settings.compute.workers)
    crop, whole = settings.augmentation.crop, settings.latency.input_size
    images_of_a_pass = (crop[0] * crop[1]) / (whole[0] * whole[1])
    label = _FORWARD * passes.supernet / search.batch_size / images_of_a_pass + image
    score = _FORWARD * passes.network / retrain.batch_size / images_of_a_pass
    warmed = steps_for(warmup.epochs, teacher, warmup.batch_size)
    taught = steps_for(student.warmup_epochs, counts["student_train"], student.batch_size)
    retrained = steps_for(retrain.epochs, together, retrain.batch_size)
    part = max(settings.latency.min_run_seconds, 2 * score / settings.space.layers)
    before = (
        warmed * (_WARMUP_PASSES * passes.supernet + warmup.batch_size * image),
        taught * (passes.student + student.batch_size * image),
        _TABLE * len(list_space_parts(settings.space, classes)) * part,
    )
    work, chains = sum(before) + _SHARED_JOBS * passes.start, []
    for method in settings.methods:
        facts = METHODS[method]
        step = _TEACHER_PASSES * passes.supernet + search.batch_size * image
        if facts.searches:
            step += _ARCHITECTURE_PASSES * passes.supernet + search.batch_size * image
        if facts.has_student:
            step += _STUDENT_PASSES * passes.student + _STUDENT_BATCHES * student.batch_size * image
        rounds = search.rounds * steps_for(search.epochs, teacher, search.batch_size) * step
        if facts.needs_pseudo_labels:
            rounds += search.rounds * counts["unlabeled"] * label
        after = retrained * (passes.network + retrain.batch_size * image)
        after += counts["evaluation"] * (label + score + image) + settings.latency.profile_runs * score
        jobs = search.rounds * (_JOBS_OF_A_ROUND + _JOBS_OF_LABELS * facts.needs_pseudo_labels)
        work += rounds + after + (jobs + _JOBS_OF_A_METHOD) * passes.start
        chains.append(max(before) + rounds + after + (6 + jobs + _JOBS_OF_A_METHOD) * passes.start)
    return max(max(chains), work / max(1, cores)) / 60


def time_passes(settings: Settings, samples: Sequence[Sample], classes: int) -> Passes:
    """Time a pass of each network on random images of the crops, and the reading of some samples.

    On a CPU it is processor time, so other work on the machine hardly changes it.
    """
    device = prepare_device(settings.compute)
    source = torch.Generator().manual_seed(0)
    space, student = settings.space, settings.search.student
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        supernet = Supernet(space, classes, memory_formats(device)).to(device).train()
        network = Network(random_genotype(space, source), space, classes).to(device).train()
        network.to(memory_format=torch.channels_last)
        learner = getattr(segmentation, student.model)(weights=None, weights_backbone=None, num_classes=classes)
        learner.to(device, memory_format=torch.channels_last).train()
    architecture = {name: tensor.to(device) for name, tensor in first_architecture(space, 0).items()}

    def batch(count: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        images = torch.randn(count, 3, *size, generator=source).to(device, memory_format=torch.channels_last)
        return images, torch.randint(classes, (count, *size), generator=source).to(device)

    crop = settings.augmentation.crop
    searched = batch(settings.search.batch_size, crop)
    learned = batch(student.batch_size, student.crop)
    trained = batch(settings.retrain.batch_size, crop)

    def loss(outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        size = labels.shape[-2:]
        return sum((F.cross_entropy(F.interpolate(x, size, mode="bilinear"), labels) for x in outputs), torch.zeros(()))

    def pass_supernet() -> None:
        loss(supernet(searched[0], architecture, draw_random_widths(space, source)), searched[1]).backward()

    def pass_student() -> None:
        F.cross_entropy(learner(learned[0])["out"], learned[1]).backward()

    def pass_network() -> None:
        loss(network.heads(trained[0]), trained[1]).backward()

    clock = time.process_time if device.type == "cpu" and settings.compute.threads == 1 else time.perf_counter
    supernet_s, student_s, network_s = (_seconds(r, device, clock) for r in (pass_supernet, pass_student, pass_network))
    return Passes(supernet_s, student_s, network_s, _time_image(settings, samples[:_TIMES], clock), _time_start())


def _seconds(run: Callable[[], None], device: torch.device, clock: Callable[[], float]) -> float:
    """The median of some runs, after one that warms up."""
    times = []
    for _ in range(1 + _TIMES):
        began = clock()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - began)
    return median(times[1:])


def _time_image(settings: Settings, samples: Sequence[Sample], clock: Callable[[], float]) -> float:
    """Seconds in which a sample is read and augmented."""
    data, generator = settings.data, torch.Generator().manual_seed(0)
    dataset = SegmentationDataset(samples, data, class_table(data))
    began = clock()
    for index in range(len(samples)):
        augment(
            dataset[index],
            settings=settings.augmentation,
            crop=settings.augmentation.crop,
            generator=generator,
        )
    return (clock() - began) / len(samples)


def _time_start() -> float:
    """Seconds of processor time in which a job starts: Python and the modules of a search round."""
    before = os.times()
    subprocess.run([sys.executable, "-c", "import lbt.search.round"], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
