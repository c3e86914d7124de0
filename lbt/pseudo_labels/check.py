"""What is wrong with a shard or with the shards of a round."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from lbt.data.classes import IGNORE
from lbt.errors import LbtError
from lbt.files import SCHEMA_VERSION
from lbt.provenance.manifest import verify_inputs
from lbt.pseudo_labels.origin import Origin
from lbt.pseudo_labels.read import ShardHead
from lbt.pseudo_labels.shard_format import DATASETS, explained

_V110 = 3
"""Version of the superblock of an HDF5 file that has checksums in its own records."""
_ROUNDING = 0.01
"""Largest distance from 1 of a sum of probabilities: float16 rounds each by 2^-11 of it at most."""


def check_file(path: Path) -> list[str]:
    """Read a whole shard; returns what is wrong with it, each with the file's name. An empty list is a good file."""
    try:
        verify_inputs([path])
        found = explained(path, "its content", _problems)
    except LbtError as error:
        return [str(error)]
    except (TypeError, ValueError, AttributeError) as error:
        found = [f"is no shard of pseudo labels ({error})"]
    return [f"{path}: {problem}. Delete it and label again." for problem in found]


def _problems(path: Path) -> list[str]:
    with h5py.File(path, "r") as file:
        version = file.id.get_create_plist().get_version()[0]
        if version < _V110:
            return [f"has the HDF5 format {version}, which does not notice damage; {_V110} is needed"]
        schema = file.attrs.get("schema_version")
        if schema != SCHEMA_VERSION:
            return [f"has schema version {schema}, this program reads {SCHEMA_VERSION}"]
        missing = [name for name in (*DATASETS, "palette") if name not in file]
        if missing:
            return [f"lacks the dataset {missing[0]}"]
        shapes = _shape_problems(file)
        if shapes:
            return shapes
        return [problem for name in ("palette", *DATASETS) for problem in _read_through(file, name)] or list(
            _value_problems(file)
        )


def _shape_problems(file: h5py.File) -> list[str]:
    """Datasets whose shape or type is not what `lbt.pseudo_labels.shard_format` describes."""
    count, classes = len(file["image_id"]), len(json.loads(file.attrs["classes"]))
    label, low = file["label"].shape, file["probability"].shape
    expected = {
        "label": ((count, *label[1:]), 3, np.uint8),
        "color": ((*label, 3), 4, np.uint8),
        "confidence": (label, 3, np.uint8),
        "probability": ((count, classes, *low[2:]), 4, np.float16),
        "size": ((count, 2), 2, np.int32),
        "stride_size": ((count, 2), 2, np.int32),
    }
    return [
        f"{name} is {file[name].dtype} {file[name].shape}, {np.dtype(kind)} {shape} is needed"
        for name, (shape, dimensions, kind) in expected.items()
        if file[name].shape != shape or len(shape) != dimensions or file[name].dtype != kind
    ]


def _read_through(file: h5py.File, name: str) -> list[str]:
    """Read a dataset image by image, so that every checksum is compared."""
    for index in range(len(file[name])):
        try:
            file[name][index]
        except (OSError, RuntimeError) as error:
            return [f"{name}[{index}] cannot be read, the file is damaged ({str(error).splitlines()[0]})"]
    return []


def _value_problems(file: h5py.File) -> Iterator[str]:
    """Values that labelling cannot have written; of each dataset the first image is named."""
    classes, palette = len(json.loads(file.attrs["classes"])), file["palette"][:]
    names, named = file["image_id"][:], set()
    for index, name in enumerate(names):
        (height, width), (low_height, low_width) = file["size"][index], file["stride_size"][index]
        label, confidence = file["label"][index], file["confidence"][index]
        sums = file["probability"][index, :, :low_height, :low_width].astype(np.float32).sum(axis=0)
        inside = np.zeros(label.shape, bool)
        inside[:height, :width] = True
        wrong = {
            "label": bool((label[inside] >= classes).any() or (label[~inside] != IGNORE).any()),
            "color": bool((file["color"][index] != palette[label]).any()),
            "confidence": bool((confidence[~inside] != 0).any()),
            "probability": not bool((np.abs(sums - 1) <= _ROUNDING).all()),
        }
        for dataset, is_wrong in wrong.items():
            if is_wrong and dataset not in named:
                named.add(dataset)
                yield f"{dataset}[{index}] of image {name.decode()} holds values that no labelling writes"


def check_origin(path: Path, head: ShardHead, origin: Origin) -> list[str]:
    """What a shard says of itself against the manifest beside it."""
    pairs = (
        ("teacher", head.identity.teacher, origin.teacher),
        ("code", head.identity.code, origin.code),
    )
    return [f"{path}: has the {what} {own}, its manifest {other}." for what, own, other in pairs if own != other]


def check_round(folder: Path, heads: Mapping[Path, ShardHead], expected: Sequence[str] | None) -> list[str]:
    """What is wrong between the good shards of a round: other origins, doubled, missing and needless images.

    Args:
        folder: of the round's shards.
        heads: the good shards.
        expected: identifiers of the images that the round labels; None if they are unknown.
    """
    problems = []
    first_path, first = next(iter(heads.items()))
    for path, head in heads.items():
        for what in ("round", "method", "seed", "teacher"):
            own, other = getattr(head.identity, what), getattr(first.identity, what)
            if own != other:
                problems.append(f"{path}: has {what} {own}, {first_path.name} has {other}.")
        if (head.classes, head.colors) != (first.classes, first.colors):
            problems.append(f"{path}: has other classes or colours than {first_path.name}.")
    counts = Counter(image_id for head in heads.values() for image_id in head.image_ids)
    double = sorted(image_id for image_id, count in counts.items() if count > 1)
    if double:
        problems.append(f"{folder}: image {double[0]} {_more(double)}stands twice.")
    if expected is not None:
        missing, needless = sorted(set(expected) - set(counts)), sorted(set(counts) - set(expected))
        if missing:
            problems.append(f"{folder}: lacks {len(missing)} of {len(expected)} images, such as {missing[0]}.")
        if needless:
            problems.append(f"{folder}: image {needless[0]} {_more(needless)}is not among those to label.")
    return problems


def _more(names: Sequence[str]) -> str:
    return f"and {len(names) - 1} more " if len(names) > 1 else ""
