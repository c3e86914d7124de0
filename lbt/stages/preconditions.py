"""Preconditions of a run besides data set and disk, checked before its first job and by `lbt check`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import torch

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.data.classes import class_table
from lbt.data.problems import Problem
from lbt.data.scenes.write_dataset import find_old_scenes
from lbt.errors import LbtError, is_hidden
from lbt.files import require_own_folders
from lbt.latency.deployment import find_obstacle
from lbt.provenance.older_version import refuse_older
from lbt.runtime.device import check_gpus
from lbt.runtime.distributed import ALONE
from lbt.search.pretrained_weights import load_pretrained_weights
from lbt.search.torchvision_network import build_network
from lbt.stages.other_data import describe_other_data
from lbt.stages.table import STAGES

_WORKERS = 16
"""Loader processes that any machine may be asked for."""


def require_preconditions(settings: Settings, folder: Path) -> None:
    """Refuse a run that could not finish; see `find_obstacles`.

    Raises:
        LbtError: lists every obstacle.
    """
    if obstacles := find_obstacles(settings, folder):
        raise LbtError(*map(str, obstacles))


def find_obstacles(settings: Settings, folder: Path) -> list[Problem]:
    """What keeps a run whose results are in `folder` from finishing on this machine.

    torchvision's weights are downloaded if the settings name them, so that the student's warm-up need not.
    """
    return [
        *_folder_problems(settings, folder),
        *_older_version(folder),
        *_other_data(settings, folder),
        *_weight_problems(settings),
        *_device_problems(settings),
    ]


def _older_version(folder: Path) -> Iterator[Problem]:
    """Results that the run would make again, although they took hours."""
    try:
        refuse_older(folder)
    except LbtError as error:
        yield Problem("run", str(error))


def _other_data(settings: Settings, folder: Path) -> Iterator[Problem]:
    if other := describe_other_data(settings, folder):
        yield Problem("run", other)


def _folder_problems(settings: Settings, folder: Path) -> Iterator[Problem]:
    """Folders that cannot be written, and a data set of somebody else in the place of the scenes."""
    written = [Path(".snakemake"), folder]
    if is_hidden(here := os.getcwd()):
        what = "has a name with a character that is not UTF-8 text or cannot be shown; rename it"
        yield Problem(here, f"the folder in which the run starts {what}")
    try:
        require_own_folders(folder)
    except LbtError as error:
        yield Problem(str(folder), str(error).removeprefix(f"{folder}: "))
    if settings.scenes is not None:
        root = Path(settings.data.root)
        written.append(root)
        try:
            find_old_scenes(root)
        except LbtError as error:
            yield Problem("data.root", str(error))
    for path in written:
        if what := _unwritable(path):
            yield Problem(str(path), what)


def _unwritable(path: Path) -> str:
    """Why a folder cannot be made or written; empty if it can."""
    place = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not place.exists():
        return f"{place} is a link that leads nowhere; remove it or make its target"
    if not place.is_dir():
        return f"{place} is a file where a folder is needed; move it away"
    if not os.access(place, os.W_OK | os.X_OK):
        return f"{place} cannot be written; start in a folder of your own, or change its permissions"
    return ""


def _weight_problems(settings: Settings) -> Iterator[Problem]:
    """Problems of the student's first weights, if a method has a student."""
    student = settings.search.student
    if student.weights == "none" or not any(METHODS[method].has_student for method in settings.methods):
        return
    classes = class_table(settings.data).num_classes
    try:
        load_pretrained_weights(build_network(student, classes, 0, ALONE), student, classes)
    except LbtError as error:
        yield Problem("search.student.weights", str(error).removeprefix("search.student.weights: "))


def _device_problems(settings: Settings) -> Iterator[Problem]:
    """Cores and GPUs that the settings ask for and this machine lacks. Jobs of a cluster run on other machines."""
    if shutil.which("sbatch") is not None:
        return
    device, workers, cores = settings.compute.device, settings.compute.workers, os.cpu_count() or 1
    if workers > max(_WORKERS, 4 * cores):
        yield Problem(
            "compute.workers",
            f"is {workers}, far more loader processes than the {cores} core(s) of this machine can feed, and each "
            f"takes memory; write at most {cores}",
        )
    if device == "cuda" and not torch.cuda.is_available():
        yield Problem("compute.device", "cuda is set, but PyTorch finds no GPU here; write `auto` or `cpu`")
        return
    where = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    if obstacle := find_obstacle(settings.latency, where):
        yield Problem(*obstacle)
    for key in sorted({stage.gpus for stage in STAGES.values() if stage.gpus is not None}):
        count = attrgetter(key)(settings)
        if count > 1:
            try:
                check_gpus(key, count, device)
            except LbtError as error:
                yield Problem(key, str(error).removeprefix(f"{key}: "))
