"""The hours that a run takes, stage by stage, from the work of its steps and the speed of a device.

The work is counted, see `lbt.stages.work`. It leaves out tables, figures and the scoring of candidates. What a step of
a method computes is known up to some ten percent, and the speed of a small part is not that of a whole network. So an
estimate may be wrong by a factor of two. Rounds that the run has finished already correct it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lbt.baselines import build_baseline
from lbt.config import Settings
from lbt.config.methods import METHODS, MethodFacts
from lbt.data.classes import class_table
from lbt.data.splits import steps_for
from lbt.errors import LbtError
from lbt.network.derivation_rule import derive_genotype
from lbt.network.network import Network
from lbt.pseudo_labels.dataset import count_to_label
from lbt.runtime.distributed import ALONE
from lbt.runtime.shapes import shapes_only
from lbt.search.torchvision_network import build_network
from lbt.space.architecture import first_architecture
from lbt.stages.speed import H100, Speed, measure_speed, training
from lbt.stages.work import Work, network_work, supernet_work
from lbt.views.results import read_columns
from lbt.views.run_state import describe_seconds

DECODING = 0.035
"""Seconds of a core to decode and augment a million pixels of a photograph and its mask (measured: 0.033 and 0.034)."""


@dataclass(frozen=True)
class StageWork:
    """The work of all jobs of a stage.

    Attributes:
        name: of the stage.
        steps: of all its jobs together.
        step: the work of a step.
        pixels: of the images that are decoded for a step.
        method: of a round; empty for other stages.
    """

    name: str
    steps: int
    step: Work
    pixels: float
    method: str = ""

    def hours(self, speed: Speed, workers: int) -> float:
        """Hours of one job after the other; `workers` processes decode beside the network, or it waits for them."""
        network, decoding = speed.seconds(self.step), DECODING * self.pixels / 1e6
        step = max(network, decoding / workers) if workers else network + decoding
        return self.steps * step / 3600


def list_stages(settings: Settings, parts: Mapping[str, int], pixels: float) -> list[StageWork]:
    """The work of each stage that trains, labels or scores.

    Args:
        settings: of the run.
        parts: number of images by role, and of all training images as `train`.
        pixels: of an image, in the mean.
    """
    space, search, retrain, warmup = settings.space, settings.search, settings.retrain, settings.warmup
    classes, seeds, student = class_table(settings.data).num_classes, len(settings.seeds), search.student
    supernet = supernet_work(space, classes)
    genotype = derive_genotype(first_architecture(space, 0), space)
    with shapes_only():
        derived = Network(genotype, space, classes)
        partner = build_network(student, classes, 0, ALONE)
        baselines = {name: build_baseline(name, classes, space.base_width) for name in settings.baselines}
    network, learner = network_work(derived, (512, 1024)), network_work(partner, student.crop)
    crop, small = _area(settings.augmentation.crop), _area(student.crop) * student.batch_size
    teacher_steps = steps_for(search.epochs, parts["teacher_train"], search.batch_size)
    four = [supernet["max"], supernet["min"], supernet["sampled"], supernet["sampled"]]
    stages = [
        StageWork(
            "warm-up",
            seeds * steps_for(warmup.epochs, parts["teacher_train"], warmup.batch_size),
            _sum(training(work).on(crop * warmup.batch_size) for work in four),
            pixels * warmup.batch_size,
        )
    ]
    if any(METHODS[method].has_student for method in settings.methods):
        steps = seeds * steps_for(student.warmup_epochs, parts["student_train"], student.batch_size)
        stages.append(StageWork("student's warm-up", steps, training(learner).on(small), pixels * student.batch_size))
    for method in settings.methods:
        facts = METHODS[method]
        if facts.needs_pseudo_labels:
            images = count_to_label(search.pseudo_labels.ratio, parts["student_train"], parts["unlabeled"])
            steps = seeds * search.rounds * images
            stages.append(StageWork(f"labels, {method}", steps, supernet["sampled"].on(pixels), pixels))
        passes = [supernet[kind] for kind in search.width_passes]
        step = _round_step(settings, facts, passes, supernet["sampled"], learner)
        images = 2 * search.batch_size + 3 * student.batch_size * facts.has_student
        steps = seeds * search.rounds * teacher_steps
        stages.append(StageWork(f"rounds, {method}", steps, step, pixels * images, method))
    networks = seeds * len(settings.methods) * (2 if search.cosearch else 1)
    steps_each = steps_for(retrain.epochs, parts["train"], retrain.batch_size)
    for name, baseline in baselines.items():
        work = network_work(baseline, (512, 1024))
        step = training(work).on(crop * retrain.batch_size)
        stages.append(StageWork(f"training, {name}", seeds * steps_each, step, pixels * retrain.batch_size))
        stages.append(StageWork(f"scores, {name}", seeds * parts["evaluation"], work.on(pixels), pixels))
    step = training(network).on(crop * retrain.batch_size)
    rounds = search.rounds if settings.evaluation.every_round else 1
    score = supernet["sampled"].on(pixels) * rounds + network.on(pixels)
    return [
        *stages,
        StageWork("retraining", networks * steps_each, step, pixels * retrain.batch_size),
        StageWork("scores", seeds * len(settings.methods) * parts["evaluation"], score, pixels * (rounds + 1)),
    ]


def _round_step(settings: Settings, facts: MethodFacts, passes: Sequence[Work], sampled: Work, learner: Work) -> Work:
    """A step of a round: teacher, student and architecture.

    A pass for the gradient in A alone leaves out the products for the weights' gradients.
    """
    search, student = settings.search, settings.search.student
    crop, small = _area(settings.augmentation.crop) * search.batch_size, _area(student.crop) * student.batch_size
    for_architecture = Work(2 * sampled.flop, 2.8 * sampled.operators)
    step = _sum(training(work).on(crop) for work in passes)
    if facts.searches:
        step += for_architecture.on(crop)
        if search.gradient != "direct" and facts.needs_pseudo_labels:
            step += training(sampled).on(crop) * 3
    if facts.has_student:  # labelled and unlabelled images, held-out ones, and the jvp or the creator
        step += training(learner).on(small) * 3 + learner.on(small) * 2 + for_architecture.on(small)
    return step


def describe_time(settings: Settings, parts: Mapping[str, int], pixels: float, folder: Path) -> str:
    """A line for each stage with its time on this device and on an H100, and where the speeds come from.

    Args:
        settings, parts, pixels: see `list_stages`.
        folder: of the run; rounds that are finished there correct the estimate for this device.
    """
    stages, workers = list_stages(settings, parts, pixels), settings.compute.workers
    here = measure_speed(settings.compute)
    hours = {stage.name: stage.hours(here, workers) for stage in stages}
    measured = {}
    for stage in stages:
        if stage.method and (seconds := _measure_round(folder, stage.method)):
            measured[stage.name] = seconds * stage.steps / 3600
    source = here.source
    if measured:
        factor = statistics.median(value / hours[name] for name, value in measured.items())
        hours = {name: measured.get(name, factor * value) for name, value in hours.items()}
        source += f"; multiplied by {factor:.2g}, as the finished rounds in {folder} show"
    there = {stage.name: stage.hours(H100, max(1, workers)) for stage in stages}
    total, other = sum(hours.values()), sum(there.values())
    return "\n".join(
        [
            f"time: about {_words(total)} on {here.name} or {_words(other)} on {H100.name}, one job after another, "
            "right within a factor of two",
            f"    {'stage':31} {'steps':>9} {'time here':>11} {'on H100':>11}",
            *(f"    {s.name:31} {s.steps:9} {_words(hours[s.name]):>11} {_words(there[s.name]):>11}" for s in stages),
            f"    speed here: {source}",
            f"    speed of {H100.name}: {H100.source}",
        ]
    )


def _words(hours: float) -> str:
    return describe_seconds(3600 * hours)


def _measure_round(folder: Path, method: str) -> float:
    """Median seconds of a step in the finished rounds of a method; 0 without any."""
    seconds: list[float] = []
    for path in sorted(folder.glob(f"search/{method}/seed-*/round-*/metrics.csv")):
        with suppress(LbtError):  # of another program; the stage that reads the file names it
            seconds += [s for s in read_columns(path, ("seconds",))["seconds"].tolist() if 0 < s < math.inf]
    return statistics.median(seconds) if seconds else 0.0


def _sum(works: Iterable[Work]) -> Work:
    return sum(works, Work())


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]
