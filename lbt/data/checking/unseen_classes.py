"""Find classes without a pixel in a part, say where they occur instead, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lbt.config import DataSettings
from lbt.data.checking.inspection import Inspection
from lbt.data.classes import CITYSCAPES_LABELS, IGNORE, ClassTable
from lbt.data.folder_layout import is_undivided
from lbt.data.problems import Problem, shorten
from lbt.data.sample import Sample

_NAMED = 5


def class_problems(
    data: DataSettings,
    table: ClassTable,
    samples: Mapping[str, Sequence[Sample]],
    found: Mapping[str, Sequence[Inspection]],
) -> list[Problem]:
    """Problems of listed classes without a training pixel, and of parts without any labelled pixel.

    Only a list of classes was chosen for the data set. The official 19 or 34 classes need not all occur.

    Args:
        data: the data set.
        table: its classes.
        samples: of each official part.
        found: the findings of each sample, with readable masks only.
    """
    problems = []
    listed = data.folder is not None or not isinstance(data.classes, int)
    if listed and samples["train"]:
        key = "data.classes" if data.folder is None else "data.folder.classes"
        shown = [_classes(inspection, table) for inspection in found["val"]]
        missing = set(range(table.num_classes)).difference(*(_classes(one, table) for one in found["train"]))
        for index in sorted(missing):
            pairs = zip(samples["val"], shown, strict=True)
            places = [sample.image for sample, classes in pairs if index in classes]
            if places:
                what = _only_held_out(data, places)
            else:
                what = _nowhere(data, table, [*found["train"], *found["val"]], len(samples["unlabeled"]), len(missing))
            problems.append(Problem(f"{key}: {table.names[index]}", what))
    absent = listed and problems
    if data.folder is None and (absent or not listed) and _hold_train_ids([*found["train"], *found["val"]]):
        return [_train_ids(data)]
    for split in ("val",) if listed else ("train", "val"):
        if samples[split] and not any(_classes(inspection, table) for inspection in found[split]):
            what = f"has no labelled pixel in its masks; correct them, the class {_mark(data)}s or the ignored values"
            problems.append(Problem(split, what))
    return problems


def absent_class_warnings(
    roles: Mapping[str, Sequence[Inspection]], table: ClassTable, scored: str = "evaluation"
) -> list[str]:
    """Warnings of classes without a pixel in a part.

    Args:
        roles: the findings of the images of each role with labels.
        table: the classes.
        scored: the role whose images are scored; the others train.
    """
    shown = {role: set[int]().union(*(_classes(one, table) for one in found)) for role, found in roles.items()}
    trained = set[int]().union(*(classes for role, classes in shown.items() if role != scored))
    every, count = set(range(table.num_classes)), table.num_classes
    warnings = []
    if missing := every - trained:
        warnings.append(f"the training images show no pixel of {_names(missing, table)}: no network learns them")
    if missing := every - shown[scored]:
        warnings.append(
            f"the held-out images (evaluation) show no pixel of {_names(missing, table)}: the mIoU is the mean over "
            f"{count - len(missing)} of {count} classes; hold out images that show them (if one folder is divided, "
            "also by another `splits.seed`)"
        )
    lacking: dict[frozenset[int], list[str]] = {}
    for role, classes in shown.items():
        if role != scored and (missing := trained - classes):
            lacking.setdefault(frozenset(missing), []).append(role)
    for absent, names in lacking.items():
        warnings.append(
            f"the images of {' and '.join(names)} show no pixel of {_names(absent, table)}; add photographs of them, "
            "or try another `splits.seed`"
        )
    return warnings


def _names(classes: Iterable[int], table: ClassTable) -> str:
    names = [table.names[index] for index in sorted(classes)]
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} of {table.num_classes} classes ({shown})"


def _ignored_instead(data: DataSettings, table: ClassTable, found: Sequence[Inspection]) -> str:
    """What to write if the ignored value 255, which many programs write for the only class, stands for this class."""
    total = sum((inspection.values for inspection in found), np.zeros(256, np.int64))
    if data.folder is None or data.folder.mask_values != "id" or table.lut[255] != IGNORE or not total[255]:
        return ""
    counts = [inspection.values for inspection in found if inspection.values.any()]
    masks = sum(bool(one[255]) for one in counts)
    rest = [value for value in data.folder.ignore if value != 255]
    return (
        f", but 255, which is ignored, covers {100 * total[255] / total.sum():.0f} % of the pixels, in {masks} of "
        f"{len(counts)} masks: if it stands for this class, write `id: 255` for the class and `ignore: {rest}` in "
        "data.folder; otherwise"
    )


def _train_ids(data: DataSettings) -> Problem:
    return Problem(
        f"{data.root}/gtFine",
        "the files *_gtFine_labelIds.png hold train ids (0 to 18), not label ids (road is 7, car 26): replace them by "
        "those of gtFine_trainvaltest.zip, or use `layout: folder` with the train ids as ids",
    )


def _hold_train_ids(found: Sequence[Inspection]) -> bool:
    """Whether Cityscapes masks hold train ids: none above 18, and some that label ids give to things nobody scores."""
    total = sum((inspection.values for inspection in found), np.zeros(256, np.int64))
    train_ids = {label.train_id for label in CITYSCAPES_LABELS} - {IGNORE}
    scored = {label.id for label in CITYSCAPES_LABELS if label.train_id != IGNORE}
    held = {int(value) for value in np.flatnonzero(total)} - {IGNORE}
    return held <= train_ids and bool(held - scored - {0})


def _classes(inspection: Inspection, table: ClassTable) -> set[int]:
    """The classes that occur in a mask."""
    return {int(index) for index in table.lut[inspection.values > 0]} - {IGNORE}


def _only_held_out(data: DataSettings, places: Sequence[str]) -> str:
    where = f"occurs in the held-out image{'s' if len(places) > 1 else ''} {shorten(places)} only"
    if data.folder is None or not is_undivided(data.folder):
        return f"{where}, so that no network learns it: add training images that show it, or remove the class"
    move = "" if len(places) == 1 else "change `splits.seed`, "
    return (
        f"{where}, so that no network learns it: {move}add photographs of it, or divide them yourself with `{{split}}`"
    )


def _ignored(inspections: Sequence[Inspection], table: ClassTable) -> dict[int, float]:
    """The share of the pixels of each ignored mask value that occurs; empty for masks of colours."""
    pixels = sum((inspection.values for inspection in inspections), np.zeros(256, np.int64))
    values = np.flatnonzero((pixels > 0) & (table.lut == IGNORE)) if table.codes is None else ()
    return {int(value): float(pixels[value] / pixels.sum()) for value in values}


def _nowhere(data: DataSettings, table: ClassTable, found: Sequence[Inspection], unlabelled: int, missing: int) -> str:
    instead = _ignored_instead(data, table, found) if missing == 1 else ""
    what = f"has no pixel in the training and held-out images{instead or ';'} remove the class or correct its "
    what += _mark(data)
    ignored = _ignored(found, table)
    if data.folder is not None and ignored and not instead:
        values = ", ".join(f"{value} ({100 * share:.1f} % of the pixels)" for value, share in ignored.items())
        what += f"; if it is one of the ignored values that the masks hold, {values}, write that as its id"
    if data.folder is not None and is_undivided(data.folder) and unlabelled:
        what += f"; if only the {unlabelled} unlabelled images show it, change `splits.seed` or add photographs of it"
    return what


def _mark(data: DataSettings) -> str:
    """The kind of value by which the settings identify a class in a mask."""
    if data.folder is None:
        return "name"
    return "id" if data.folder.mask_values == "id" else "colour"
