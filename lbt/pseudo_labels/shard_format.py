"""Pseudo labels on disk: two HDF5 files for each shard of a round's images.

The shard, which stays to be browsed, shows in colour in h5web, silx and HDFView. For N images padded to a common height
H and width W, with h = ceil(H / 8) and w = ceil(W / 8) at the network's output stride, it holds

    label        (N, H, W)    uint8  most probable class; 255 outside the image; indexed by `palette`
    color        (N, H, W, 3) uint8  red, green and blue of the label; black outside the image
    confidence   (N, h, w)    uint8  largest probability times 255, one for 8 x 8 pixels
    size         (N, 2)       int32  height and width of each image in pixels
    image_id     (N,)         bytes  identifiers in the split table

The file of probabilities, which only the student of the same round reads, holds `size` and `image_id` too, and

    probability  (N, C, h, w) uint8  code of the probability; see `decode_probability`

Every dataset is chunked by image, compressed and has a checksum (fletcher32). The files use the v110 format, in which
HDF5 refuses a truncated file; in the default format it opens such a file and shows zeros.

h5web and silx read no palette, so they show `color` first. HDFView shows `label` in the colours of the palette.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lbt.errors import LbtError, visible
from lbt.pseudo_labels.shard_structure import (
    open_probabilities,
    read_classes,
    read_ids,
    read_number,
    read_text,
    reading,
    stride_size,
)

_STEPS = 51
_PROBABILITY = np.append(np.exp2(-((np.arange(255) / _STEPS) ** 2)), 0).astype(np.float32)
"""The probability of each code before the division by the sum over the classes."""
_METHOD, _DIGEST = re.compile("[a-z][a-z0-9_]{,60}"), re.compile("[0-9A-Za-z]{,64}")


@dataclass(frozen=True)
class ShardIdentity:
    """The origin of a shard; a reader refuses shards of another origin.

    Attributes:
        round: the round whose student learns from the shard, from 1.
        method: name of the search method.
        seed: seed of the run.
        teacher: SHA-256 of the teacher's checkpoint.
        code: fingerprint of the code that labelled.
    """

    round: int
    method: str
    seed: int
    teacher: str
    code: str


def encode_probability(probability: np.ndarray) -> np.ndarray:
    """Codes (C, ...) uint8 of probabilities (C, ...): 51 sqrt(-log2 p), rounded.

    The steps of p are finest near 1, 1/25 octave at p = 1/2 and 1/5 octave at the end of the range. Code 255 is 0, for
    all below 3e-8. Equal steps of 1/16 octave have the same divergence for a trained teacher and take 11 % more space.
    """
    with np.errstate(divide="ignore"):
        bits = -np.log2(np.minimum(probability, 1))
    return np.fmin(np.rint(_STEPS * np.sqrt(bits)), 255).astype(np.uint8)


def decode_probability(codes: np.ndarray) -> np.ndarray:
    """The labels p (C, ...) float32, which sum to 1 over the C classes; the student learns from exactly these.

    They differ from the encoded ones by less than 0.01, with a mean KL divergence of 5e-5 for a trained teacher of 11
    classes, and up to 1.5e-4 for a teacher that knows nothing.
    """
    relative = _PROBABILITY[codes]
    return relative / relative.sum(axis=0)


class PseudoLabels:
    """The probabilities of one or more shards, by image.

    Each process opens the files itself when it first reads them: a handle that crosses a fork returns wrong data.

    Args:
        paths: the files of probabilities.
        classes: names of the classes, in order.
        identity: round, method, seed and teacher that the files must have; their code may differ.

    Raises:
        LbtError: a file is missing, damaged or of another origin (both are named), or an image is in two shards.
    """

    def __init__(self, paths: Sequence[Path], classes: Sequence[str], identity: ShardIdentity) -> None:
        self._handles: dict[tuple[int, Path], h5py.File] = {}
        self._locations: dict[str, tuple[Path, int]] = {}
        for path in paths:
            with reading(path, "its head"):
                file = self._open(path)
                _check_origin(path, file, classes, identity)
                names = read_ids(file)
            for index, name in enumerate(names):
                if name in self._locations:
                    raise LbtError(f"{path}: image {name} is in {self._locations[name][0]} too. Label again.")
                self._locations[name] = (path, index)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handles": {}}

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._locations

    def __len__(self) -> int:
        return len(self._locations)

    def probability(self, image_id: str) -> np.ndarray:
        """Probabilities (C, h, w) float32 of an image at the output stride; see `decode_probability`."""
        path, index = self._locations[image_id]
        with reading(path, f"probability[{index}]"):
            file = self._open(path)
            height, width = stride_size(file["size"][index])
            return decode_probability(file["probability"][index, :, :height, :width])

    def _open(self, path: Path) -> h5py.File:
        key = (os.getpid(), path)
        if key not in self._handles:
            self._handles[key] = open_probabilities(path)
        return self._handles[key]


def read_identity(file: h5py.File) -> ShardIdentity:
    """The origin of a shard.

    Raises:
        ValueError: it lacks an attribute, or one cannot be part of a file's name or a table.
    """
    method, teacher, code = (read_text(file, name) for name in ("method", "teacher", "code"))
    if not _METHOD.fullmatch(method):
        raise ValueError(f"its method {visible(method, 60)} is not the name of a method")
    if not _DIGEST.fullmatch(teacher) or not _DIGEST.fullmatch(code):
        raise ValueError("its teacher or its code is not a digest")
    return ShardIdentity(read_number(file, "round"), method, read_number(file, "seed"), teacher, code)


def _check_origin(path: Path, file: h5py.File, classes: Sequence[str], identity: ShardIdentity) -> None:
    found = read_identity(file)
    for key in ("round", "method", "seed", "teacher"):
        have, value = getattr(found, key), getattr(identity, key)
        if have != value:
            raise LbtError(f"{path}: has {key} {have}, {value} is needed. Delete it and label again.")
    names = read_classes(file)
    if names != tuple(classes):
        raise LbtError(f"{path}: has classes {names}, {tuple(classes)} is needed. Delete it and label again.")
