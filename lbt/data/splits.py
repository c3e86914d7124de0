"""Division of the training images into parts, written as a table that later stages read."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

from lbt.artifacts import write_text
from lbt.config import DataSettings, SplitSettings
from lbt.data.division import divide
from lbt.data.layouts import list_samples
from lbt.data.sample import OFFICIAL_SPLITS, Sample
from lbt.errors import LbtError
from lbt.progress import Progress

TRAINING_ROLES = ("teacher_train", "teacher_val", "student_train", "student_val")
ROLES = (*TRAINING_ROLES, "unlabeled", "evaluation")
COLUMNS = ("image_id", "image", "label", "group", "role")


def run(*, data: DataSettings, splits: SplitSettings, output: Path, log: Path | None = None) -> None:
    """Write the split of the data set as CSV: one row per image and role; an unlabelled image has no label.

    Raises:
        LbtError: see `split_dataset`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    with Progress("split", len(ROLES), log) as progress:
        for role, samples in split_dataset(data, splits).items():
            writer.writerows((s.id, s.image, s.label or "", s.group, role) for s in samples)
            progress.note(f"{role}: {len(samples)} images in {len({s.group for s in samples})} groups")
            progress.advance()
    write_text(output, text.getvalue())


def split_dataset(data: DataSettings, splits: SplitSettings) -> dict[str, list[Sample]]:
    """Give each image its roles.

    Returns:
        The samples of every role of `ROLES`, sorted by id. Under `halves` student and teacher share their parts.

    Raises:
        LbtError: a file is missing, an image stands in two official parts, or there are fewer groups than parts.
    """
    official = {split: list_samples(data, split, splits.seed) for split in OFFICIAL_SPLITS}
    counts = Counter(sample.id for samples in official.values() for sample in samples)
    double = sorted(name for name, count in counts.items() if count > 1)
    if double:
        raise LbtError(
            f"{data.root}: {double[0]} (and {len(double) - 1} more) stands in two of train, val and unlabeled; "
            "give each part its own images."
        )
    train = official["train"]
    if splits.scheme == "halves":
        first, second = divide(train, (splits.train_fraction, 1 - splits.train_fraction), splits.seed)
        parts = [first, second, first, second]
    else:
        parts = divide(train, splits.parts, splits.seed)
    roles = dict(zip(TRAINING_ROLES, parts, strict=True))
    return roles | {"unlabeled": official["unlabeled"], "evaluation": official["val"]}


def read_split(path: Path | str, role: str) -> list[Sample]:
    """Read the samples of one role, sorted by id.

    Raises:
        LbtError: unknown role; the file is missing, is no split table, or has no row of that role.
    """
    if role not in ROLES:
        raise LbtError(f"{role!r} is not a role of a split; choose from {', '.join(ROLES)}.")
    samples = _read(path)[role]
    if not samples:
        raise LbtError(f"{path}: has no image with the role {role}. Delete it and rerun the stage that makes it.")
    return samples


def training_samples(path: Path | str) -> list[Sample]:
    """Read all samples of the four training roles, each once, sorted by id.

    Raises:
        LbtError: see `read_split`.
    """
    return sorted({sample for role in TRAINING_ROLES for sample in read_split(path, role)})


def _read(path: Path | str) -> dict[str, list[Sample]]:
    try:
        rows = list(csv.reader(Path(path).read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LbtError(f"{path}: could not be read ({error}). Run the stage that makes it.") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise LbtError(f"{path}: line 1 must be {','.join(COLUMNS)}. Delete it and rerun the stage that makes it.")
    samples: dict[str, list[Sample]] = {role: [] for role in ROLES}
    seen = set()
    for line, row in enumerate(rows[1:], start=2):
        fault = _fault(row, seen)
        if fault:
            raise LbtError(f"{path}: line {line} {fault}. Delete it and rerun the stage that makes it.")
        name, image, label, group, role = row
        seen.add((name, role))
        samples[role].append(Sample(name, image, label or None, group))
    return {role: sorted(found) for role, found in samples.items()}


def _fault(row: list[str], seen: set[tuple[str, str]]) -> str:
    if len(row) != len(COLUMNS):
        return f"has {len(row)} columns, {len(COLUMNS)} are needed"
    name, image, label, _, role = row
    if role not in ROLES:
        return f"has the unknown role {role!r}"
    if not name or not image:
        return "lacks an image"
    if (role == "unlabeled") == bool(label):
        return "has a label for an unlabelled image" if label else f"lacks the label of {name}"
    if (name, role) in seen:
        return f"repeats {name} as {role}"
    return ""
