"""The data sets of the study of recipes: training images alone, of which the last groups are held out for scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from half_camvid import halve
from PIL import Image
from recipe_arms import ARMS, SPEEDS
from stage_calls import call_stage

from lbt.config import RetrainSettings, Settings
from lbt.config.read import read_settings
from lbt.data.layouts import list_samples
from lbt.data.sample import Sample
from lbt.data.splits import COLUMNS, TRAINING_ROLES
from lbt.files import write_json
from lbt.network.random_genotype import random_genotype
from lbt.runtime.metrics_csv import write_metrics

HELD_OUT = 0.2
"""Share of the groups of training images that is scored: one of the six stretches of a video, two of eight towns."""


@dataclass(frozen=True)
class DataSet:
    """One of the data sets, ready for the stages.

    Attributes:
        name: for files and tables.
        settings: with the place of the data.
        folder: for the files of the stages.
        arms: to compare on it.
        seconds: processor time of a retraining.
    """

    name: str
    settings: Settings
    folder: Path
    arms: Sequence[str]
    seconds: float

    @property
    def split(self) -> Path:
        """The split table."""
        return self.folder / "split.csv"

    def retrain(self, arm: str) -> RetrainSettings:
        """The settings of an arm, for one epoch."""
        return RetrainSettings.model_validate({"batch_size": 8, "epochs": 1.0} | (ARMS | SPEEDS)[arm])


def scenes(folder: Path, seconds: float, arms: Sequence[str], config: Path) -> DataSet:
    """The synthetic scenes, a third more of them, so that as many are trained on as in a run."""
    settings = read_settings(config)
    assert settings.scenes is not None
    more = settings.scenes.model_copy(update={"train": settings.scenes.train * 4 // 3})
    data = settings.data.model_copy(update={"root": str(folder / "data")})
    if not (folder / "data" / "scenes.json").exists():
        call_stage("scenes", scenes=more, data=data, listing=folder / "data" / "scenes.json")
    return prepare("scenes", settings.model_copy(update={"data": data}), folder, arms, seconds)


def camvid(root: Path, folder: Path, seconds: float, arms: Sequence[str], config: Path) -> DataSet:
    """CamVid's training images at half their height and width, with crops of half the height and width."""
    settings = read_settings(config)
    for part, filter in (("train", Image.Resampling.BOX), ("trainannot", Image.Resampling.NEAREST)):
        for path in sorted((root / part).iterdir()):
            halve(path, folder / "data" / part / f"{path.stem}.png", filter)
    height, width = settings.augmentation.crop
    changed = {
        "data": settings.data.model_copy(update={"root": str(folder / "data")}),
        "augmentation": settings.augmentation.model_copy(update={"crop": (height // 2, width // 2)}),
    }
    return prepare("camvid", settings.model_copy(update=changed), folder, arms, seconds)


def prepare(name: str, settings: Settings, folder: Path, arms: Sequence[str], seconds: float) -> DataSet:
    """Write the split, the pixels of its classes and the genotype, and use one thread of the CPU."""
    compute = settings.compute.model_copy(update={"device": "cpu", "threads": 1})
    settings = settings.model_copy(update={"compute": compute})
    made = DataSet(name, settings, folder, arms, seconds)
    train, held_out = hold_out(list_samples(settings.data, "train", settings.splits.seed))
    rows = [(sample, role) for role in TRAINING_ROLES for sample in train] + [(s, "evaluation") for s in held_out]
    cells = ((s.id, s.image, s.label or "", s.group, role) for s, role in rows)
    write_metrics(made.split, [dict(zip(COLUMNS, row, strict=True)) for row in cells])
    call_stage("class_pixels", settings, split=made.split, pixels=folder / "class_pixels.csv")
    genotype = random_genotype(settings.space, torch.Generator().manual_seed(0))
    write_json(folder / "genotype.json", genotype.to_json())
    return made


def hold_out(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out images: the last groups are held out, of each video if the groups are stretches of it."""
    train: list[Sample] = []
    held_out: list[Sample] = []
    videos: dict[str, list[str]] = {}
    for group in sorted({sample.group for sample in samples}):
        video, _, stretch = group.rpartition(":")
        videos.setdefault(video if stretch.isdigit() else "", []).append(group)
    last = {group for groups in videos.values() for group in groups[-max(1, round(HELD_OUT * len(groups))) :]}
    for sample in sorted(samples):
        (held_out if sample.group in last else train).append(sample)
    return train, held_out
