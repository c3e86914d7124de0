"""Find classes without a training pixel, say where they occur instead, and what to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lbt.config import DataSettings
from lbt.data.checking.inspection import Inspection
from lbt.data.classes import IGNORE, ClassTable
from lbt.data.folder_layout import is_undivided
from lbt.data.problems import Problem, shorten
from lbt.data.sample import Sample


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
            ignored = _ignored([*found["train"], *found["val"]], table)
            what = _only_held_out(data, places) if places else _nowhere(data, len(samples["unlabeled"]), ignored)
            problems.append(Problem(f"{key}: {table.names[index]}", what))
    for split in ("val",) if listed else ("train", "val"):
        if samples[split] and not any(_classes(inspection, table) for inspection in found[split]):
            what = (
                f"its masks hold no labelled pixel; correct the masks, the class {_mark(data)}s or the ignored values"
            )
            problems.append(Problem(split, what))
    return problems


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


def _nowhere(data: DataSettings, unlabelled: int, ignored: Mapping[int, float]) -> str:
    what = f"has no pixel in the training and held-out images; remove the class or correct its {_mark(data)}"
    if data.folder is not None and ignored:
        found = ", ".join(f"{value} ({share:.1%} of the pixels)" for value, share in ignored.items())
        what += f"; if it is one of the ignored values that the masks hold, {found}, write that as its id"
    if data.folder is not None and is_undivided(data.folder) and unlabelled:
        what += f"; if only the {unlabelled} unlabelled images show it, change `splits.seed` or add photographs of it"
    return what


def _mark(data: DataSettings) -> str:
    """The kind of value by which the settings identify a class in a mask."""
    if data.folder is None:
        return "name"
    return "id" if data.folder.mask_values == "id" else "colour"
