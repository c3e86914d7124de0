"""Estimate how long a run takes here: a few timed passes times the numbers of steps, and the starts of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models import segmentation

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.data.splits import steps_for
from lbt.latency.parts import list_space_parts
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.runtime.device import prepare_device
from lbt.space.architecture import first_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import draw_random_widths

_TIMES = 3
_WARMUP_PASSES = 4
_TEACHER_PASSES = 1
_ARCHITECTURE_PASSES, _STUDENT_PASSES = 2, 7
"""Passes of the supernet in an architecture step of `lbt`, on images and on unlabelled ones; and of the student in a
step: two kinds of images forward and backward, held-out ones, and the derivative along their gradient."""
_FORWARD = 0.35
"""Share of a forward and backward pass that a forward pass takes."""
_SHARED_JOBS, _JOBS_OF_A_METHOD, _JOBS_OF_A_ROUND, _JOBS_OF_LABELS = 11, 7, 1, 2


@dataclass(frozen=True)
class Passes:
    """Seconds of a forward and backward pass of a batch, and of the start of a job."""

    supernet: float
    student: float
    network: float
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
            return f"about {max(1, round(self.minutes / step) * step)} minutes"
        return f"about {self.minutes / 60:.1f} hours" if self.minutes < 600 else f"about {self.minutes / 60:.0f} hours"


def estimate_duration(settings: Settings, counts: Mapping[str, int], classes: int, cores: int) -> Duration:
    """Time some passes here and multiply.

    Args:
        settings: of the run.
        counts: number of images of each role.
        classes: number of classes.
        cores: of this machine that the run may use.
    """
    passes = time_passes(settings, classes)
    minutes = add_up(settings, counts, classes, passes, cores)
    how = (
        f"passes of one batch timed here (supernet {passes.supernet:.2g} s, student {passes.student:.2g} s, network "
        f"{passes.network:.2g} s, start of a job {passes.start:.2g} s) times the numbers of steps, on {cores} core(s) "
        "that nothing else uses"
    )
    return Duration(minutes, how)


def add_up(settings: Settings, counts: Mapping[str, int], classes: int, passes: Passes, cores: int) -> float:
    """Minutes of a run: its longest chain of jobs, or all its work divided among the cores, whichever is longer."""
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    teacher, together = counts["teacher_train"], counts["teacher_train"] + counts["teacher_val"]
    steps = steps_for(search.epochs, teacher, search.batch_size)
    trained = {
        "warmup": steps_for(warmup.epochs, teacher, warmup.batch_size) * _WARMUP_PASSES * passes.supernet,
        "student": steps_for(search.student.warmup_epochs, counts["student_train"], search.student.batch_size)
        * passes.student,
        "table": 1.5 * len(list_space_parts(settings.space, classes)) * settings.latency.min_run_seconds,
        "retrain": steps_for(retrain.epochs, together, retrain.batch_size) * passes.network,
    }
    labels = _FORWARD * passes.supernet / search.batch_size * counts["unlabeled"]
    work, chains = trained["warmup"] + trained["student"] + trained["table"] + _SHARED_JOBS * passes.start, []
    before = max(trained["warmup"], trained["student"], trained["table"]) + 5 * passes.start
    for method in settings.methods:
        facts = METHODS[method]
        step = _TEACHER_PASSES * passes.supernet
        step += _ARCHITECTURE_PASSES * passes.supernet * facts.searches
        step += _STUDENT_PASSES * passes.student * facts.has_student
        jobs = search.rounds * (_JOBS_OF_A_ROUND + _JOBS_OF_LABELS * facts.needs_pseudo_labels)
        rounds = search.rounds * (steps * step + labels * facts.needs_pseudo_labels)
        work += rounds + trained["retrain"] + (jobs + _JOBS_OF_A_METHOD) * passes.start
        chains.append(before + rounds + trained["retrain"] + (jobs + 6) * passes.start)
    return max(max(chains), work / max(1, cores)) / 60


def time_passes(settings: Settings, classes: int) -> Passes:
    """Time a pass of each network on random images of the crops, after one that warms up."""
    device = prepare_device(settings.compute)
    source = torch.Generator().manual_seed(0)
    space, student = settings.space, settings.search.student
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        supernet = Supernet(space, classes).to(device).train()
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

    return Passes(*(_seconds(run, device) for run in (pass_supernet, pass_student, pass_network)), _time_start())


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    times = []
    for _ in range(1 + _TIMES):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return median(times[1:])


def _time_start() -> float:
    """Seconds in which a job starts: Python and the modules of a search round."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import lbt.search.round"], check=True, capture_output=True, env=os.environ)
    return time.perf_counter() - began
