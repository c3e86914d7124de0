"""Check the settings of synthetic scenes that the run has not generated yet."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from lbt.config import OFFICIAL_SPLITS, SceneSettings, Settings
from lbt.config.jobs import CheckJob, pick_settings
from lbt.data.checking.part_sizes import batch_sizes, part_problems
from lbt.data.classes import class_table
from lbt.data.problems import Problem
from lbt.data.sample import Sample
from lbt.data.scenes.write_dataset import SCENE_CLASSES, scene_files
from lbt.data.write_split import assign_roles
from lbt.errors import LbtError


def check_planned_scenes(settings: Settings) -> tuple[dict[str, int], list[Problem]]:
    """The number of images of each role that the scenes will give, and the problems that the run would find."""
    scenes, data, splits = settings.scenes, settings.data, settings.splits
    if scenes is None:
        raise ValueError("the settings have no scenes")
    official = plan_samples(scenes)
    try:
        names = class_table(data).names
        roles = assign_roles(official, data.root, splits)
    except LbtError as error:
        return {}, [Problem(*_split_key(str(error)))]
    sizes = batch_sizes(pick_settings(CheckJob, settings))
    problems = part_problems(data, splits, sizes, len(official["train"]), roles)
    for name in names if not isinstance(data.classes, int) else ():
        if name not in SCENE_CLASSES:
            what = f"no synthetic scene shows it; choose from {', '.join(SCENE_CLASSES)}"
            problems.append(Problem(f"data.classes: {name}", what))
    return {role: len(samples) for role, samples in roles.items()}, problems


def plan_samples(scenes: SceneSettings) -> dict[str, list[Sample]]:
    """The images of each official part, as the layout will list them."""
    files = scene_files(Path(), scenes)
    labels = {path.name.removesuffix("_gtFine_labelIds.png"): path for path in files if path.parts[0] == "gtFine"}
    official: dict[str, list[Sample]] = {split: [] for split in OFFICIAL_SPLITS}
    for path in files:
        kind, part, city, name = PurePosixPath(path).parts
        if kind == "leftImg8bit":
            stem = name.removesuffix("_leftImg8bit.png")
            label = labels[stem].as_posix() if stem in labels else None
            official["unlabeled" if part == "test" else part].append(Sample(stem, path.as_posix(), label, city))
    return {split: sorted(samples) for split, samples in official.items()}


def _split_key(message: str) -> tuple[str, str]:
    """The key at the beginning of a message, and the rest."""
    key, _, what = message.partition(": ")
    return key, what
