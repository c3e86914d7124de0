"""Propose how photographs are divided: shares, groups of video frames, and a seed that trains every class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lbt.config import ClassSettings, DataSettings, FolderSettings, SplitSettings
from lbt.data.checking.video_frames import propose_groups
from lbt.data.sample import Sample
from lbt.data.splits import ROLES, TRAINING_ROLES
from lbt.data.write_split import split_dataset
from lbt.errors import LbtError
from lbt.own_data.classes import Classes, ProposedClass
from lbt.own_data.layout import Layout
from lbt.own_data.survey import Survey

LEAST_UNLABELLED = 2
_LEAST_TRAINING, _LEAST_VAL = 4, 1
_SHARE = 0.2
_SEEDS, _LISTED = 50, 20_000
"""Most seeds to try, and most photographs to list for them."""
_TWO = tuple(ClassSettings(name=str(n), id=n, color=(n, n, n)) for n in (1, 2))
"""Any classes: on them no division depends."""


@dataclass(frozen=True)
class Division:
    """A division of the photographs.

    Attributes:
        folder: keys of `data.folder` for it: shares, group, stretch.
        seed: `splits.seed`.
        roles: the photographs of each role.
        frames: whether the photographs are named like frames of a video.
        untrained: classes without a pixel in the training images.
    """

    folder: Mapping[str, Any]
    seed: int
    roles: Mapping[str, Sequence[Sample]]
    frames: bool
    untrained: Sequence[ProposedClass]


def propose_division(layout: Layout, survey: Survey, classes: Classes) -> Division:
    """Propose a division.

    Raises:
        LbtError: there are too few photographs, with the least number.
    """
    _require_enough(layout)
    shares = {} if layout.has_parts else _shares(len(layout.labelled), len(layout.unlabelled))
    failure: LbtError | None = None
    frames = False
    for group in _groups(layout):
        frames = frames or group is not None
        folder = shares | (group or {"group": "^(.*)$"})
        try:
            found = _best_seed(layout, folder, survey, classes)
        except LbtError as error:  # too few groups
            failure = error
            continue
        if found is not None:
            seed, roles, untrained = found
            return Division(folder, seed, roles, frames and group is not None, untrained)
    raise failure or LbtError(f"{layout.root}: the photographs cannot be divided. Add photographs with masks.")


def _require_enough(layout: Layout) -> None:
    labelled, without = len(layout.labelled), len(layout.unlabelled)
    if layout.has_parts:
        return
    least = _LEAST_TRAINING + _LEAST_VAL + max(0, LEAST_UNLABELLED - without)
    if labelled < least:
        more = f" and {without} without" if without else ""
        raise LbtError(
            f"{layout.root}: {labelled} photograph(s) with a mask{more} are too few. At least {least} with a mask are "
            f"needed: {_LEAST_TRAINING} to train, {_LEAST_VAL} to evaluate"
            + (f" and {LEAST_UNLABELLED - without} whose masks are left aside" if without < LEAST_UNLABELLED else "")
            + ". Ten are enough to try it."
        )


def _shares(labelled: int, unlabelled: int) -> dict[str, float]:
    """Shares of the photographs with a mask that are held out, and that are left unlabelled."""
    val = max(_LEAST_VAL, round(_SHARE * labelled))
    aside = 0 if unlabelled >= max(LEAST_UNLABELLED, _SHARE * labelled) else round(_SHARE * labelled)
    aside = max(aside, LEAST_UNLABELLED - unlabelled)
    while labelled - val - aside < _LEAST_TRAINING and val > _LEAST_VAL:
        val -= 1
    while labelled - val - aside < _LEAST_TRAINING and aside > LEAST_UNLABELLED - unlabelled:
        aside -= 1
    return {"val_share": round(val / labelled, 4), "unlabeled_share": round(max(0, aside) / labelled, 4)}


def _groups(layout: Layout) -> Iterator[dict[str, Any] | None]:
    """Settings of groups to try, from those that keep most frames together to each photograph by itself."""
    images = [image for image, _ in layout.labelled] + ([] if layout.has_parts else list(layout.unlabelled))
    frames = propose_groups([Sample(image, image, None, "") for image in images])
    if frames is not None:
        expression, stretch = frames
        for factor in (1, 2, 4):
            yield {"group": expression} | ({"stretch": factor * stretch} if factor * stretch > 1 else {})
    yield None


def _best_seed(
    layout: Layout, folder: Mapping[str, Any], survey: Survey, classes: Classes
) -> tuple[int, Mapping[str, Sequence[Sample]], list[ProposedClass]] | None:
    """The first seed of those whose roles lack the fewest classes; None if a role has too few images.

    A class without a pixel in the training images counts most.
    """
    data = DataSettings(
        layout="folder",
        root=str(layout.root),
        folder=FolderSettings.model_validate({**layout.patterns, **folder, "classes": _TWO}),
    )
    best: tuple[tuple[int, int], int, Mapping[str, Sequence[Sample]], list[ProposedClass]] | None = None
    images = len(layout.labelled) + len(layout.unlabelled)
    for seed in range(max(1, min(_SEEDS, _LISTED // images))):
        roles = split_dataset(data, SplitSettings(seed=seed))
        if any(len(roles[role]) < (1 if role == "evaluation" else 2) for role in ROLES):
            continue
        shown = {role: _values(survey, roles[role]) for role in (*TRAINING_ROLES, "evaluation")}
        trained = set().union(*(shown[role] for role in TRAINING_ROLES))
        untrained = [one for one in classes.classes if one.value not in trained]
        lacking = sum(one.value not in values for one in classes.classes for values in shown.values())
        if best is None or (len(untrained), lacking) < best[0]:
            best = (len(untrained), lacking), seed, roles, untrained
        if best[0] == (0, 0):
            break
    return None if best is None else best[1:]


def _values(survey: Survey, samples: Sequence[Sample]) -> set[object]:
    """The values that the masks of samples hold, as far as they were read."""
    return {value for sample in samples for value in survey.counts.get(sample.image, ())}
