"""Checks of a shard and of the shards of a round, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from lbt.data.classes import IGNORE
from lbt.errors import LbtError
from lbt.provenance.manifest import verify_inputs
from lbt.pseudo_labels.find import probabilities_of
from lbt.pseudo_labels.origin import Origin
from lbt.pseudo_labels.read import ShardHead
from lbt.pseudo_labels.shard_format import decode_probability, read_identity
from lbt.pseudo_labels.shard_structure import (
    LABELS,
    PROBABILITIES,
    open_probabilities,
    open_shard,
    read_classes,
    read_ids,
    reading,
    stride_size,
)

_ROUNDING = 0.015
"""Largest distance of a stored confidence from the largest stored probability; each is rounded."""


def check_file(path: Path) -> list[str]:
    """Read a whole shard and return its problems, each with the name of the file; a good file has none."""
    return _check(path, open_shard, (*LABELS, "palette"), _wrong_labels)


def check_probabilities(shard: Path) -> list[str]:
    """Read the probabilities of a good shard, if they are still there, and return their problems."""
    soft = probabilities_of(shard)
    if not soft.exists():
        return []
    return _check(soft, open_probabilities, PROBABILITIES, partial(_wrong_probabilities, shard))


def _check(
    path: Path,
    open_file: Callable[[Path], h5py.File],
    names: Sequence[str],
    find_problems: Callable[[h5py.File], Iterator[str]],
) -> list[str]:
    """Read every chunk of a file, so that HDF5 compares its checksum, then compare the values."""
    try:
        verify_inputs([path])
        with reading(path, "its content"), open_file(path) as file:
            for name in names:
                for index in range(len(file[name])):
                    with reading(path, f"{name}[{index}]"):
                        file[name][index]
            read_identity(file), read_ids(file)
            found = list(find_problems(file))
    except LbtError as error:
        return [str(error)]
    return [f"{path}: {problem}. Delete it and label again." for problem in found]


def _wrong_labels(file: h5py.File) -> Iterator[str]:
    """Values that labelling cannot have written; names the first image of each dataset."""
    classes, palette = len(read_classes(file)), file["palette"][:]
    named: set[str] = set()
    for index, name in enumerate(read_ids(file)):
        size, label = file["size"][index], file["label"][index]
        inside, low = _inside(size, label.shape), _inside(stride_size(size), file["confidence"].shape[1:])
        wrong = {
            "label": bool((label[inside] >= classes).any() or (label[~inside] != IGNORE).any()),
            "color": bool((file["color"][index] != palette[label]).any()),
            "confidence": bool((file["confidence"][index][~low] != 0).any()),
        }
        for dataset, is_wrong in wrong.items():
            if is_wrong and dataset not in named:
                named.add(dataset)
                yield f"{dataset}[{index}] of image {name} holds values that no labelling writes"


def _wrong_probabilities(shard: Path, file: h5py.File) -> Iterator[str]:
    """The first difference between the probabilities and their shard."""
    with open_shard(shard) as labels:
        same = [read(file) == read(labels) for read in (read_identity, read_classes, read_ids)]
        if not all(same) or not np.array_equal(file["size"][:], labels["size"][:]):
            yield f"is not of the labelling that wrote {shard.name}"
            return
        for index, name in enumerate(read_ids(file)):
            height, width = stride_size(file["size"][index])
            with np.errstate(invalid="ignore"):  # where all are 0
                largest = decode_probability(file["probability"][index, :, :height, :width]).max(axis=0)
            confidence = labels["confidence"][index, :height, :width] / 255
            if not (np.abs(largest - confidence) <= _ROUNDING).all():
                yield f"probability[{index}] of image {name} does not fit the confidence in {shard.name}"
                return


def _inside(size: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """True in the first rows and columns of a mask of `shape`."""
    inside = np.zeros(shape, bool)
    inside[: size[0], : size[1]] = True
    return inside


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
