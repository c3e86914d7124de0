"""Checks of a shard and of the shards of a round, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from lbt.data.classes import IGNORE
from lbt.errors import LbtError
from lbt.provenance.manifest import verify_inputs
from lbt.pseudo_labels.origin import Origin
from lbt.pseudo_labels.read import ShardHead
from lbt.pseudo_labels.shard_format import read_identity
from lbt.pseudo_labels.shard_structure import DATASETS, open_shard, read_classes, read_ids, reading

_ROUNDING = 0.01
"""Largest distance of a sum of probabilities from 1; float16 rounds each of them by at most a factor of 2^-11."""


def check_file(path: Path) -> list[str]:
    """Read a whole shard and return its problems, each with the name of the file; a good file has none."""
    try:
        verify_inputs([path])
        with reading(path, "its content"), open_shard(path) as file:
            _compare_checksums(path, file)
            read_identity(file), read_ids(file)
            found = list(_value_problems(file))
    except LbtError as error:
        return [str(error)]
    return [f"{path}: {problem}. Delete it and label again." for problem in found]


def _compare_checksums(path: Path, file: h5py.File) -> None:
    """Read every chunk, so that HDF5 compares its checksum."""
    for name in ("palette", *DATASETS):
        for index in range(len(file[name])):
            with reading(path, f"{name}[{index}]"):
                file[name][index]


def _value_problems(file: h5py.File) -> Iterator[str]:
    """Values that labelling cannot have written; names the first image of each dataset."""
    classes, palette = len(read_classes(file)), file["palette"][:]
    named: set[str] = set()
    for index, name in enumerate(read_ids(file)):
        (height, width), (low_height, low_width) = file["size"][index], file["stride_size"][index]
        label, confidence = file["label"][index], file["confidence"][index]
        sums = file["probability"][index, :, :low_height, :low_width].sum(axis=0, dtype=np.float32)
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
                yield f"{dataset}[{index}] of image {name} holds values that no labelling writes"


def check_origin(path: Path, head: ShardHead, origin: Origin) -> list[str]:
    """Differences between the header of a shard and the manifest beside it."""
    pairs = (
        ("teacher", head.identity.teacher, origin.teacher),
        ("code", head.identity.code, origin.code),
    )
    return [f"{path}: has the {what} {own}, its manifest {other}." for what, own, other in pairs if own != other]


def check_round(folder: Path, heads: Mapping[Path, ShardHead], expected: Sequence[str] | None) -> list[str]:
    """Problems between the good shards of a round: different origins; repeated, missing and surplus images.

    Args:
        folder: the folder of the shards.
        heads: the headers of the good shards, at least one.
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
        problems.append(f"{folder}: image {double[0]}{_more(double)} is labelled twice.")
    if expected is not None:
        missing, surplus = sorted(set(expected) - set(counts)), sorted(set(counts) - set(expected))
        if missing:
            problems.append(f"{folder}: lacks {len(missing)} of {len(expected)} images, such as {missing[0]}.")
        if surplus:
            problems.append(f"{folder}: image {surplus[0]}{_more(surplus)} is not one of the images to label.")
    return problems


def _more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
