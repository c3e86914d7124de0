"""Check that each part of a data set has enough images for its batches, and say what to change if not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from annotated_types import Ge

from lbt.config import DataSettings, Settings, SplitSettings
from lbt.config.jobs import CheckJob
from lbt.config.methods import METHODS
from lbt.data.folder_layout import count_masks, is_undivided
from lbt.data.problems import Problem
from lbt.data.sample import Sample
from lbt.data.splits import TRAINING_ROLES


@dataclass(frozen=True)
class BatchSize:
    """The size of a batch, which its part must at least have.

    Attributes:
        key: key of the setting.
        size: its value, in images.
        roles: the roles whose images form the batches.
    """

    key: str
    size: int
    roles: tuple[str, ...]

    @property
    def least(self) -> int:
        """The least value that the setting may have."""
        *sections, name = self.key.split(".")
        model: Any = Settings
        for section in sections:
            model = model.model_fields[section].annotation
        bounds = (bound.ge for bound in model.model_fields[name].metadata if isinstance(bound, Ge))
        return next(bound for bound in bounds if isinstance(bound, int))


def batch_sizes(settings: CheckJob) -> list[BatchSize]:
    """The batch sizes of all stages of these methods."""
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    facts = [METHODS[method] for method in settings.methods]
    student = ["student_train", "student_val"] if any(fact.has_student for fact in facts) else []
    student += ["unlabeled"] if any(fact.needs_pseudo_labels for fact in facts) else []
    return [
        BatchSize("warmup.batch_size", warmup.batch_size, ("teacher_train",)),
        BatchSize("search.batch_size", search.batch_size, ("teacher_train",)),
        BatchSize("search.batch_size", search.batch_size, ("teacher_val",)),
        *(BatchSize("search.student.batch_size", search.student.batch_size, (role,)) for role in student),
        BatchSize("search.shards", search.shards, ("unlabeled",)),
        BatchSize("retrain.batch_size", retrain.batch_size, TRAINING_ROLES),
    ]


def part_problems(
    data: DataSettings,
    splits: SplitSettings,
    sizes: Iterable[BatchSize],
    train: int,
    roles: Mapping[str, Sequence[Sample]],
) -> list[Problem]:
    """Problems of batches that are larger than their part.

    If even the least batch is larger than the part, the problem is the number of images, not the setting.

    Args:
        data: the data set.
        splits: the division of its training part.
        sizes: the batches that the parts must fill.
        train: number of images of the training part.
        roles: the images of each role.
    """
    problems: list[Problem] = []
    lacking: dict[tuple[str, ...], tuple[int, int]] = {}
    for batch in sizes:
        found = len({sample.id for role in batch.roles for sample in roles[role]})
        if found < batch.least:
            lacking.setdefault(batch.roles, (found, batch.least))
        elif found < batch.size:
            part = batch.roles[0] if len(batch.roles) == 1 else "the training parts together"
            problems.append(Problem(batch.key, f"is {batch.size}, above the {found} image(s) of {part}; lower it"))
    undivided = data.folder is not None and is_undivided(data.folder)
    if ("unlabeled",) in lacking:
        found, least = lacking.pop(("unlabeled",))
        what = f"too few unlabelled images: {found} of at least {least}; "
        what += "add photographs without a mask, or raise `data.folder.unlabeled_share`" if undivided else "add images"
        problems.append(Problem("unlabeled", what))
    if not lacking:
        return problems
    few = too_few_labelled(data, splits, sizes, train)
    if few is None:
        (part, *_), (found, least) = next(iter(lacking.items()))
        remedy = "set `data.folder.stretch` higher or `data.folder.group` finer" if data.folder else "add cities"
        few = Problem(
            "splits", f"{part} has {found} image(s), {least} are needed; a group of images stays whole: {remedy}"
        )
        return [few, *(problem for problem in problems if problem.file == "unlabeled")]
    # More images may solve the other problems too.
    return [few]


def too_few_labelled(
    data: DataSettings, splits: SplitSettings, sizes: Iterable[BatchSize], train: int
) -> Problem | None:
    """The problem, if the labelled images may be too few to fill all parts.

    Args:
        data: the data set.
        splits: the division of its training part.
        sizes: the batches that the parts must fill.
        train: number of images of the training part; for an undivided folder, its masks are counted instead.
    """
    leasts = {role: max((b.least for b in sizes if b.roles == (role,)), default=1) for role in TRAINING_ROLES}
    if splits.scheme == "halves":
        shares = [splits.train_fraction, 1 - splits.train_fraction]
        least = [max(leasts[f"{who}_{part}"] for who in ("teacher", "student")) for part in ("train", "val")]
    else:
        shares, least = list(splits.parts), list(leasts.values())

    def fills(images: int) -> bool:
        return all(_share(images, share) >= needed for share, needed in zip(shares, least, strict=True))

    each = "so that each part fills its least batch"
    if data.folder is None or not is_undivided(data.folder):
        needed = next(number for number in count(1) if fills(number))
        if train >= needed:
            return None
        other = ", or choose other shares in `splits`" if train >= sum(least) else ""
        return Problem("train", f"too few images: {train}; {needed} are enough, {each}; add images{other}")
    masks, images = count_masks(Path(data.root), data.folder)
    val, aside = data.folder.val_share, data.folder.unlabeled_share
    unlabelled = max((b.least for b in sizes if b.roles == ("unlabeled",)), default=1) if aside else 0
    needed = next(
        number
        for number in count(1)
        # No part may be empty.
        if fills(min(_share(number, 1 - val - aside), number - (2 if aside else 1)))
        and _share(number, aside) >= unlabelled - (images - masks)
    )
    if masks >= needed:
        return None
    other = ", or lower `data.folder.val_share` or `data.folder.unlabeled_share`" if masks > sum(least) else ""
    return Problem(
        "data.folder",
        f"too few labelled photographs: {masks} of {images} images have a mask; {needed} are enough, {each}; add "
        f"{'masks' if masks < images else 'photographs with masks'}{other}",
    )


def _share(number: int, share: float) -> int:
    """The least number of images that a division gives to a part."""
    return int(number * share + 1e-9)
