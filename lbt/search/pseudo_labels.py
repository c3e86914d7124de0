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

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np

from lbt.artifacts import SCHEMA_VERSION, atomic_path
from lbt.data.classes import IGNORE, ClassTable
from lbt.errors import LbtError

T = TypeVar("T")
DATASETS = ("label", "color", "confidence", "probability", "size", "stride_size", "image_id")
_SHOWN = {
    "label": ("IMAGE_INDEXED", "image"),
    "color": ("IMAGE_TRUECOLOR", "rgb-image"),
    "confidence": ("IMAGE_GRAYSCALE", "image"),
}
"""Datasets that a viewer can show: IMAGE_SUBCLASS of the HDF5 Image specification, `interpretation` of NeXus."""


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


@dataclass(frozen=True)
class Prediction:
    """A teacher's prediction on one image: label and confidence (H, W) uint8, probability (C, h, w) float16."""

    image_id: str
    label: np.ndarray
    confidence: np.ndarray
    probability: np.ndarray


def write_shard(path: Path, predictions: Sequence[Prediction], classes: ClassTable, identity: ShardIdentity) -> None:
    """Write a shard atomically.

    Raises:
        ValueError: no predictions.
        LbtError: the file cannot be written.
    """
    if not predictions:
        raise ValueError(f"{path}: no predictions to write")
    sizes = np.array([p.label.shape for p in predictions], np.int32)
    stride_sizes = np.array([p.probability.shape[1:] for p in predictions], np.int32)
    height, width = (int(v) for v in sizes.max(axis=0))
    channels, (low_height, low_width) = len(classes.names), (int(v) for v in stride_sizes.max(axis=0))
    count, palette = len(predictions), palette_of(classes)
    content = {
        "label": np.full((count, height, width), IGNORE, np.uint8),
        "color": np.zeros((count, height, width, 3), np.uint8),
        "confidence": np.zeros((count, height, width), np.uint8),
        "probability": np.zeros((count, channels, low_height, low_width), np.float16),
        "size": sizes,
        "stride_size": stride_sizes,
        "image_id": np.array([p.image_id.encode() for p in predictions]),
    }
    for i, prediction in enumerate(predictions):
        (h, w), (low_h, low_w) = sizes[i], stride_sizes[i]
        content["label"][i, :h, :w] = prediction.label
        content["color"][i, :h, :w] = palette[prediction.label]
        content["confidence"][i, :h, :w] = prediction.confidence
        content["probability"][i, :, :low_h, :low_w] = prediction.probability
    # In memory first, where it takes less than its content does: on a full disk HDF5 crashes.
    written = io.BytesIO()
    with h5py.File(written, "w", libver=("v110", "v110")) as file:
        _write_content(file, content, classes, identity)
    with atomic_path(path) as temporary:
        temporary.write_bytes(written.getbuffer())


def palette_of(classes: ClassTable) -> np.ndarray:
    """Colours (256, 3) uint8 by class index; black for what is no class."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(classes.colors)] = classes.colors
    return palette


def _write_content(
    file: h5py.File, content: Mapping[str, np.ndarray], classes: ClassTable, identity: ShardIdentity
) -> None:
    for name in DATASETS:
        values = content[name]
        file.create_dataset(
            name, data=values, chunks=(1, *values.shape[1:]), compression="gzip", shuffle=True, fletcher32=True
        )
    palette = palette_of(classes)
    file.create_dataset("palette", data=palette, fletcher32=True, chunks=palette.shape)
    file["palette"].attrs.update({"CLASS": np.bytes_("PALETTE"), "PAL_VERSION": np.bytes_("1.2")})
    for name, (subclass, interpretation) in _SHOWN.items():
        attributes = {"CLASS": "IMAGE", "IMAGE_VERSION": "1.2", "IMAGE_SUBCLASS": subclass}
        file[name].attrs.update({key: np.bytes_(value) for key, value in attributes.items()})
        file[name].attrs["interpretation"] = interpretation
    file["color"].attrs["INTERLACE_MODE"] = np.bytes_("INTERLACE_PIXEL")
    file["label"].attrs["PALETTE"] = file["palette"].ref
    # NeXus: viewers follow `default` from the root to the data that is shown first
    file.attrs.update({"NX_class": "NXroot", "default": "entry"})
    entry = file.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "data"})
    data = entry.create_group("data")
    data.attrs.update({"NX_class": "NXdata", "signal": "color", "axes": [".", "y", ".", "."]})
    data["color"] = file["color"]
    # silx draws rows upwards: with an axis that falls from the first row to the last, both viewers show images upright
    rows = np.arange(file["color"].shape[1], dtype=np.int32)[::-1]
    data.create_dataset("y", data=rows, chunks=rows.shape, fletcher32=True)
    file.attrs["schema_version"] = SCHEMA_VERSION
    file.attrs["classes"] = json.dumps(list(classes.names))
    file.attrs.update(asdict(identity))


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
