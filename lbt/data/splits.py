"""Division of the training images into parts, written as a table that later stages read."""

from __future__ import annotations

import csv
from pathlib import Path

from lbt.data.sample import Sample
from lbt.errors import LbtError

TRAINING_ROLES = ("teacher_train", "teacher_val", "student_train", "student_val")
ROLES = (*TRAINING_ROLES, "unlabeled", "evaluation")
COLUMNS = ("image_id", "image", "label", "group", "role")


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


def steps_for(epochs: float, images: int, batch_size: int) -> int:
    """Number of steps of `batch_size` images that show `images` images about `epochs` times; at least 1."""
    return max(1, round(epochs * images / batch_size))
