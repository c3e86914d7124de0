"""Whether the parts of a data set hold enough images for the batches, and what to do where they do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

from annotated_types import Ge

from lbt.config import DataSettings, Settings, SplitSettings
from lbt.config.jobs import CheckJob
from lbt.data.folder_layout import count_masks, lie_together
from lbt.data.problems import Problem
from lbt.data.sample import Sample
from lbt.data.splits import TRAINING_ROLES


@dataclass(frozen=True)
class BatchSize:
    """A setting that a part must have at least as many images as: its key, its value and the roles it draws from."""

    key: str
    size: int
    roles: tuple[str, ...]

    @property
    def least(self) -> int:
        """The least value that the setting may have."""
        field: Any = reduce(lambda model, name: model.model_fields[name].annotation, self.key.split(".")[:-1], Settings)
        return next(bound.ge for bound in field.model_fields[self.key.split(".")[-1]].metadata if isinstance(bound, Ge))


def batch_sizes(settings: CheckJob) -> list[BatchSize]:
    """The batches of all stages."""
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    return [
        BatchSize("warmup.batch_size", warmup.batch_size, ("teacher_train",)),
        BatchSize("search.batch_size", search.batch_size, ("teacher_train",)),
        BatchSize("search.batch_size", search.batch_size, ("teacher_val",)),
        BatchSize("search.student.batch_size", search.student.batch_size, ("student_train",)),
        BatchSize("search.student.batch_size", search.student.batch_size, ("student_val",)),
        BatchSize("search.student.batch_size", search.student.batch_size, ("unlabeled",)),
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
    """The batches that are above the images of their part.

    Where even the least batch is, the number of images is the problem, not the batch.

    Args:
        data: the data set.
        splits: the division of its training part.
        sizes: what the parts must hold.
        train: number of images of the training part.
        roles: the images of each role.
    """
    problems, lacking = [], {}
    for batch in sizes:
        found = len({sample.id for role in batch.roles for sample in roles[role]})
        if found < batch.least:
            lacking.setdefault(batch.roles, (found, batch.least))
        elif found < batch.size:
            part = batch.roles[0] if len(batch.roles) == 1 else "the training parts together"
            problems.append(Problem(batch.key, f"is {batch.size}, above the {found} image(s) of {part}; lower it"))
    together = data.folder is not None and lie_together(data.folder)
    if ("unlabeled",) in lacking:
        found, least = lacking.pop(("unlabeled",))
        what = f"too few unlabelled images: {found} of at least {least}; "
        if together:
            what += "add photographs without a mask, or raise `data.folder.unlabeled_share`"
        problems.append(Problem("unlabeled", what if together else what + "add images"))
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
    # what else is too few or too large now need not be so once there are more
    return [few]


def too_few_labelled(
    data: DataSettings, splits: SplitSettings, sizes: Iterable[BatchSize], train: int
) -> Problem | None:
    """The problem, if there are fewer labelled images than surely fill all parts.

    Args:
        data: the data set.
        splits: the division of its training part.
        sizes: what the parts must hold.
        train: number of images of the training part; of images that lie together, those with masks are counted.
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
    if data.folder is None or not lie_together(data.folder):
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
        # no part is left empty
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
