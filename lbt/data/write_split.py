"""The stage that divides the images into roles and writes the split table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lbt.config import OFFICIAL_SPLITS, DataSettings, SplitSettings
from lbt.config.jobs import SplitJob
from lbt.data.division import divide
from lbt.data.layouts import list_samples
from lbt.data.sample import Sample
from lbt.data.splits import COLUMNS, ROLES, TRAINING_ROLES
from lbt.errors import LbtError
from lbt.files import guard_cell, write_text
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: CSV with a row per image and role; an unlabelled image has no label.
    """

    split: Path


def run(settings: SplitJob, files: Files, *, log: Path | None = None) -> None:
    """Write the split of the data set.

    Raises:
        LbtError: see `split_dataset`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    with Progress("split", len(ROLES), log) as progress:
        for role, samples in split_dataset(settings.data, settings.splits).items():
            rows = ((s.id, s.image, s.label or "", s.group, role) for s in samples)
            writer.writerows(map(guard_cell, row) for row in rows)
            progress.note(f"{role}: {len(samples)} images in {len({s.group for s in samples})} groups")
            progress.advance()
    write_text(files.split, text.getvalue())


def split_dataset(data: DataSettings, splits: SplitSettings) -> dict[str, list[Sample]]:
    """Assign roles to the images.

    Returns:
        The samples of every role of `ROLES`, sorted by id. Under `halves`, student and teacher share their parts.

    Raises:
        LbtError: a file is missing, an image is listed in two official parts, or there are fewer groups than parts.
    """
    return assign_roles({split: list_samples(data, split, splits.seed) for split in OFFICIAL_SPLITS}, data.root, splits)


def assign_roles(official: Mapping[str, list[Sample]], root: str, splits: SplitSettings) -> dict[str, list[Sample]]:
    """Assign roles to the images of the official parts; see `split_dataset`. `root` is for messages."""
    counts = Counter(sample.id for samples in official.values() for sample in samples)
    double = sorted(name for name, count in counts.items() if count > 1)
    if double:
        more = f" (and {len(double) - 1} more)" if len(double) > 1 else ""
        raise LbtError(
            f"{root}: {double[0]}{more} is listed in two of train, val and unlabeled; give each part its own images."
        )
    train = official["train"]
    if splits.scheme == "halves":
        first, second = divide(train, (splits.train_fraction, 1 - splits.train_fraction), splits.seed)
        parts = [first, second, first, second]
    else:
        parts = divide(train, splits.parts, splits.seed)
    roles = dict(zip(TRAINING_ROLES, parts, strict=True))
    return roles | {"unlabeled": official["unlabeled"], "evaluation": official["val"]}
