"""Pseudo-label shards: HDF5 files that hold a teacher's predictions and show in colour in h5web, silx and HDFView.

Each shard holds, for N images padded to a common height H and width W,

    label        (N, H, W)    uint8    most probable class; 255 outside the image; indexed by `palette`
    color        (N, H, W, 3) uint8    red, green and blue of the label; black outside the image
    confidence   (N, H, W)    uint8    probability of that class times 255
    probability  (N, C, h, w) float16  probabilities at the network's output stride
    size         (N, 2)       int32    height and width of each image in pixels
    stride_size  (N, 2)       int32    height and width of each image's probabilities
    image_id     (N,)         bytes    identifiers in the split table

Every dataset is chunked by image, compressed and has a checksum (fletcher32), and the file uses the v110 format: there
a file that was cut off is refused, while the default format opens it and shows zeros.

h5web and silx read no palette, so `color` is what they show first; HDFView shows `label` in the palette's colours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from lbt.errors import LbtError
from lbt.files import SCHEMA_VERSION

T = TypeVar("T")
DATASETS = ("label", "color", "confidence", "probability", "size", "stride_size", "image_id")


@dataclass(frozen=True)
class ShardIdentity:
    """What made a shard; a reader refuses shards of another origin.

    Attributes:
        round: the round whose student learns from it, from 1.
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

    Files are opened when first read and once per process: a handle that crosses a fork returns wrong data.

    Args:
        paths: the shards.
        classes: names of the classes, in order.
        identity: round, method, seed and teacher that the shards must have (their code may differ).

    Raises:
        LbtError: a shard is missing, damaged or of another origin (both sides are named), or an image stands twice.
    """

    def __init__(self, paths: Sequence[Path], classes: Sequence[str], identity: ShardIdentity) -> None:
        self._handles: dict[tuple[int, Path], h5py.File] = {}
        self._places: dict[str, tuple[Path, int]] = {}
        for path in paths:
            self._check(path, list(classes), identity)
            for index, name in enumerate(explained(path, "image_id", lambda p: self._open(p)["image_id"][:])):
                image_id = name.decode()
                if image_id in self._places:
                    raise LbtError(f"{path}: image {image_id} stands in {self._places[image_id][0]} too. Label again.")
                self._places[image_id] = (path, index)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._places

    def __len__(self) -> int:
        return len(self._places)

    def probability(self, image_id: str) -> np.ndarray:
        """Probabilities (C, h, w) float32 of an image at the output stride."""
        path, index = self._places[image_id]

        def read(p: Path) -> np.ndarray:
            file = self._open(p)
            height, width = file["stride_size"][index]
            return file["probability"][index, :, :height, :width].astype(np.float32)

        return explained(path, f"probability[{index}]", read)

    def _open(self, path: Path) -> h5py.File:
        key = (os.getpid(), path)
        if key not in self._handles:
            self._handles[key] = h5py.File(path, "r")
        return self._handles[key]

    def _check(self, path: Path, classes: list[str], identity: ShardIdentity) -> None:
        attributes = explained(path, "attributes", lambda p: dict(self._open(p).attrs))
        wanted = {"schema_version": SCHEMA_VERSION, **asdict(identity), "classes": json.dumps(classes)}
        del wanted["code"]
        for key, value in wanted.items():
            if attributes.get(key) != value:
                raise LbtError(
                    f"{path}: has {key} {attributes.get(key)}, {value} is needed. Delete it and label again."
                )
        missing = explained(path, "datasets", lambda p: [name for name in DATASETS if name not in self._open(p)])
        if missing:
            raise LbtError(f"{path}: lacks the dataset {missing[0]}. Delete it and label again.")


def explained(path: Path, what: str, read: Callable[[Path], T]) -> T:
    """Call `read` with `path`; what HDF5 reports becomes a message that names the file and `what` was read.

    Raises:
        LbtError: the file is missing or damaged.
    """
    try:
        return read(path)
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing. Run the labelling stage.") from error
    except (OSError, KeyError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise LbtError(
            f"{path}: {what} cannot be read, the file is damaged ({first}). Delete it and label again."
        ) from error
