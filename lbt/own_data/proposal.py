"""The proposal as a whole: settings for a user's photographs and masks, checked as a run would check them."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lbt.config import Settings
from lbt.config.jobs import CheckJob, pick_settings
from lbt.config.read import parse_settings
from lbt.data.checking.check import check_data
from lbt.data.checking.part_sizes import batch_sizes, part_problems
from lbt.data.problems import raise_problems
from lbt.data.splits import TRAINING_ROLES
from lbt.data.swapped import seem_swapped
from lbt.errors import LbtError
from lbt.own_data.budget import Device, propose_training
from lbt.own_data.class_file import read_class_file
from lbt.own_data.classes import Classes, propose_classes
from lbt.own_data.division import Division, propose_division
from lbt.own_data.layout import Layout
from lbt.own_data.remarks import describe_choices
from lbt.own_data.survey import Survey, read_survey
from lbt.own_data.yaml_text import Comments, write_settings_text
from lbt.stages.preconditions import find_obstacles

_READ = 400_000_000
"""Pixels of all photographs up to which every file is read, as `lbt check` does."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Proposal:
    """Settings for a data set, and what they were made from.

    Attributes:
        settings: as the file holds them.
        layout, survey, classes, division: what was found.
        remarks: by dotted key, a comment for the file.
        warnings: of the check; None if there are too many photographs to read every one.
    """

    settings: Settings
    content: Mapping[str, Any]
    layout: Layout
    survey: Survey
    classes: Classes
    division: Division
    remarks: Mapping[str, str]
    warnings: Sequence[str] | None

    @property
    def counts(self) -> dict[str, int]:
        """The number of photographs of each role."""
        return {role: len(samples) for role, samples in self.division.roles.items()}

    def text(self, head: Sequence[str]) -> str:
        """The file, with comments at its top."""
        return write_settings_text(self.content, self.classes, Comments(head, self.remarks))


def propose(layout: Layout, run: str, class_file: Path | None, device: Device, cores: int) -> Proposal:
    """Propose settings with which a run starts without editing.

    Args:
        layout: of the data set.
        run: name of the run.
        class_file: the user's names of classes; None to propose names.
        device: kind of the device.
        cores: of this machine.

    Raises:
        LbtError: a file cannot be used, there are too few photographs or classes, or the names do not fit the masks.
    """
    given = None if class_file is None else read_class_file(class_file)
    if seem_swapped(layout.root, [image for image, _ in layout.labelled], [mask for _, mask in layout.labelled]):
        raise LbtError(f"{layout.root}: photographs and masks seem to be swapped. Exchange PHOTOS and MASKS.")
    survey = read_survey(layout.root, layout.labelled)
    paths = " ".join([str(layout.root), layout.labelled[0][1]])
    classes = propose_classes(survey, paths, given, class_file)
    division = propose_division(layout, survey, classes)
    if division.untrained:
        classes = classes.without(division.untrained, "only in photographs that nothing is trained on")
        if len(classes.classes) < 2:
            names = ", ".join(one.name for one in division.untrained)
            raise LbtError(
                f"{layout.root}: the training photographs show no pixel of {names}. Add photographs of them."
            )
    content = _content(run, layout, survey, division, device, cores)
    settings = parse_settings(yaml.safe_load(write_settings_text(content, classes, Comments((), {}))), "lbt init")
    return Proposal(
        settings,
        content,
        layout,
        survey,
        classes,
        division,
        describe_choices(settings, layout, survey, division),
        _check(settings, layout, survey, division),
    )


def name_run(like: str) -> str:
    """The name of a run that does not exist yet, from that of the file of its settings or of the data set's folder."""
    text = unicodedata.normalize("NFKD", like).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("_.-")[:60] or "my-photos"
    if _RESERVED.fullmatch(name):
        name = f"run-{name}"
    number, free = 1, name
    while os.path.lexists(Path("results") / free):
        number += 1
        free = f"{name}-{number}"
    return free


def _content(
    run: str, layout: Layout, survey: Survey, division: Division, device: Device, cores: int
) -> dict[str, Any]:
    height, width = survey.usual_size
    counts = {role: len(samples) for role, samples in division.roles.items()}
    folder: dict[str, Any] = {**layout.patterns, "mask_values": survey.mask_values, **division.folder}
    if survey.exif is not None:
        folder["exif"] = survey.exif
    training = propose_training(counts, survey.smallest, survey.usual_size, device)
    threads = {"threads": min(4, cores), "workers": min(4, cores)} if device == "cuda" else {"threads": 1}
    return {
        "run": run,
        "seeds": [0],
        "methods": ["lbt", "random"],
        "data": {"layout": "folder", "root": str(layout.root), "folder": folder},
        "splits": {"seed": division.seed},
        "augmentation": training["augmentation"],
        "space": training["space"],
        "latency": {"input_size": [min(height, 16384), min(width, 16384)]},
        "warmup": training["warmup"],
        "search": training["search"],
        "retrain": training["retrain"],
        "compute": threads,
    }


def _check(settings: Settings, layout: Layout, survey: Survey, division: Division) -> list[str] | None:
    """Check the data set as a run would; of very many photographs the division alone, and None is returned.

    Raises:
        LbtError: lists every problem.
    """
    obstacles = find_obstacles(settings, Path("results") / settings.run)
    height, width = survey.usual_size
    if (len(layout.labelled) + len(layout.unlabelled)) * height * width <= _READ:
        return list(check_data(settings, obstacles)["warnings"])
    sizes, roles = batch_sizes(pick_settings(CheckJob, settings)), division.roles
    train = len({sample.id for role in TRAINING_ROLES for sample in roles[role]})
    problems = part_problems(settings.data, settings.splits, sizes, train, roles)
    raise_problems(settings.data.root, [*obstacles, *problems])
    return None
