"""The split table: the images of each role, which later stages read."""

from __future__ import annotations

from pathlib import Path

from lbt.config.names import require_below, require_shown
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.files import read_csv

TRAINING_ROLES = ("teacher_train", "teacher_val", "student_train", "student_val")
ROLES = (*TRAINING_ROLES, "unlabeled", "evaluation")
COLUMNS = ("image_id", "image", "label", "group", "role")


def read_split(path: Path | str, role: str) -> list[Sample]:
    """Read the samples of one role, sorted by id.

    Raises:
        LbtError: unknown role; the file is missing, is not a split table, or has no row of that role.
    """
    if role not in ROLES:
        raise LbtError(f"{role!r} is not a role of a split; choose from {', '.join(ROLES)}.")
    samples = _read(path)[role]
    if not samples:
        raise LbtError(f"{path}: has no image with the role {role}. Delete it and rerun the stage `split`.")
    return samples


def training_samples(path: Path | str) -> list[Sample]:
    """Read all samples of the four training roles, each once, sorted by id.

    Raises:
        LbtError: see `read_split`.
    """
    return sorted({sample for role in TRAINING_ROLES for sample in read_split(path, role)})


def _read(path: Path | str) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {role: [] for role in ROLES}
    seen: set[tuple[str, str]] = set()

    def parse(row: dict[str, str]) -> None:
        name, image, label, group, role = (row[column] for column in COLUMNS)
        if role not in ROLES:
            raise ValueError(f"has the unknown role {role!r}")
        if not name or not image:
            raise ValueError("lacks an image")
        for file in filter(None, (name, image, label)):
            require_below(file)
        if group:
            require_shown(group)
        if (role == "unlabeled") == bool(label):
            raise ValueError("has a label for an unlabelled image" if label else f"lacks the label of {name}")
        if (name, role) in seen:
            raise ValueError(f"repeats {name} as {role}")
        seen.add((name, role))
        samples[role].append(Sample(name, image, label or None, group))

    read_csv(path, COLUMNS, parse, stage="split")
    return {role: sorted(found) for role, found in samples.items()}


def steps_for(epochs: float, images: int, batch_size: int) -> int:
    """Number of steps, at least 1, whose batches show each of `images` images about `epochs` times."""
    return max(1, round(epochs * images / batch_size))
