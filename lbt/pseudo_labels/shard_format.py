"""Pseudo-label shards: HDF5 files that hold a teacher's predictions and show in colour in h5web, silx and HDFView.

Each shard holds, for N images padded to a common height H and width W,

    label        (N, H, W)    uint8    most probable class; 255 outside the image; indexed by `palette`
    color        (N, H, W, 3) uint8    red, green and blue of the label; black outside the image
    confidence   (N, H, W)    uint8    probability of that class times 255
    probability  (N, C, h, w) float16  probabilities at the network's output stride
    size         (N, 2)       int32    height and width of each image in pixels
    stride_size  (N, 2)       int32    height and width of each image's probabilities
    image_id     (N,)         bytes    identifiers in the split table

Every dataset is chunked by image, compressed and has a checksum (fletcher32). The file uses the v110 format, in which
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
from lbt.pseudo_labels.shard_structure import open_shard, read_classes, read_ids, read_number, read_text, reading

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


class PseudoLabels:
    """The probabilities of one or more shards, by image.

    Each process opens the files itself when it first reads them: a handle that crosses a fork returns wrong data.

    Args:
        paths: the shards.
        classes: names of the classes, in order.
        identity: round, method, seed and teacher that the shards must have; their code may differ.

    Raises:
        LbtError: a shard is missing, damaged or of another origin (both are named), or an image is in two shards.
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
        """Probabilities (C, h, w) float32 of an image at the output stride."""
        path, index = self._locations[image_id]
        with reading(path, f"probability[{index}]"):
            file = self._open(path)
            height, width = file["stride_size"][index]
            return file["probability"][index, :, :height, :width].astype(np.float32)

    def _open(self, path: Path) -> h5py.File:
        key = (os.getpid(), path)
        if key not in self._handles:
            self._handles[key] = open_shard(path)
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
