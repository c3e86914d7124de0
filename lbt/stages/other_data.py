"""Recognise that a run would replace the results of another data set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lbt.config import Settings
from lbt.data.file_versions import RECORD, read_record
from lbt.data.splits import COLUMNS
from lbt.errors import LbtError, visible
from lbt.files import read_csv
from lbt.provenance.manifest import PATTERN, read_manifest

_COMPARED = 200
"""Images that are looked at, so that a start stays quick."""


def describe_other_data(settings: Settings, run: Path) -> str:
    """Say that the results of a run come from another data set, and what to do; empty if they do not.

    A data set is another one if its classes have other names, or if more than half of the images of the run are gone
    or have another size. So images may be added, masks corrected, and the folder moved. A run without any trained
    weights has nothing to lose.

    Args:
        settings: of the run that would start.
        run: the folder of its results.
    """
    if not any(run.glob(f"*warmup/*/{PATTERN}")):
        return ""
    try:
        before: Any = read_manifest(run / "data" / ".manifest-check.json").settings["data"]
        reason = _other_classes(before, settings) or _other_images(before, settings, run / "data")
    except (LbtError, KeyError, TypeError):  # a damaged record: the stages that read it say so
        return ""
    if not reason:
        return ""
    return visible(
        f"{run} holds the results of another data set ({reason}), and this run would replace them. Write another "
        f"`run:`, or, to replace the results, remove the folder {run / 'data'} and start again."
    )


def _other_classes(before: Mapping[str, Any], settings: Settings) -> str:
    old, new = _class_names(before), _class_names(settings.data.model_dump(mode="json"))
    return "" if old == new else f"its classes were {_shown(old)}, now they are {_shown(new)}"


def _class_names(data: Mapping[str, Any]) -> Any:
    return data["classes"] if data["folder"] is None else [one["name"] for one in data["folder"]["classes"]]


def _shown(classes: Any) -> str:
    return ", ".join(map(str, classes)) if isinstance(classes, list) else f"the official {classes}"


def _other_images(before: Mapping[str, Any], settings: Settings, folder: Path) -> str:
    root = Path(settings.data.root)
    if settings.scenes is not None and os.path.abspath(before["root"]) == os.path.abspath(root):
        return ""  # scenes are compared by their description
    images = sorted(set(read_csv(folder / "split.csv", COLUMNS, lambda row: row["image"], stage="split")))
    images = images[:: max(1, len(images) // _COMPARED)]
    record = read_record(folder / RECORD)
    kept = sum(image in record and _size(root / image) == record[image].bytes for image in images)
    if 2 * kept >= len(images):
        return ""
    where = "" if os.path.abspath(before["root"]) == os.path.abspath(root) else f" of {before['root']}"
    return f"{len(images) - kept} of {len(images)} images{where} that were compared are not in {root} or differ in size"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
