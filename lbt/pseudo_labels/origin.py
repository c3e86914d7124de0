"""The origin of a shard: its data set, teacher and code, from the manifest that labelling wrote beside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lbt.config import DataSettings
from lbt.errors import LbtError
from lbt.provenance.manifest import PATTERN, read_manifest


@dataclass(frozen=True)
class Origin:
    """Data set and labelling of a shard.

    Attributes:
        data: the data set, with the folder where it is now as `root`.
        split: the split table.
        teacher: SHA-256 of the teacher's checkpoint that labelling read.
        code: fingerprint of the code that labelled.
        ratio: `search.pseudo_labels.ratio`, see `lbt.pseudo_labels.dataset.images_to_label`.
    """

    data: DataSettings
    split: Path
    teacher: str
    code: str
    ratio: float | None


def read_origin(shard: Path, root: Path | None = None) -> Origin | None:
    """Read the origin of a shard, or None if no manifest in its folder lists it.

    Args:
        shard: the file.
        root: the folder of the data set, if it is not where the run had it.

    Raises:
        LbtError: the manifest is damaged or was not written by labelling.
    """
    for path in sorted(shard.parent.glob(PATTERN)):
        manifest = read_manifest(path)
        if shard.name not in manifest.outputs:
            continue
        settings: Any = manifest.settings
        try:
            data = DataSettings.model_validate_json(json.dumps(settings["data"]))
            inputs = {Path(name).suffix: (name, file.sha256) for name, file in manifest.inputs.items()}
            return Origin(
                data=data.model_copy(update={"root": str(root or _locate(Path(data.root), path.parent))}),
                split=Path(os.path.realpath(path.parent / inputs[".csv"][0])),
                teacher=inputs[".pt"][1],
                code=manifest.code,
                ratio=settings["search"]["pseudo_labels"]["ratio"],
            )
        except (KeyError, TypeError, ValidationError) as error:
            first = str(error).splitlines()[0]
            raise LbtError(f"{path}: is not a record of labelling ({first}). Delete it and label again.") from error
    return None


def _locate(root: Path, folder: Path) -> Path:
    """The root of the data set, which may be relative to the folder that holds the run's `results/`."""
    places = [Path(), *folder.resolve().parents]
    return next((place / root for place in places if (place / root).is_dir()), root)
