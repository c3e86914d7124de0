"""Write a pseudo-label shard (see `lbt.pseudo_labels.shard_format`), one image after the other.

A shard may hold thousands of images, so each prediction is written to disk at once and then dropped. The size to which
all images are padded follows from the sizes of the images, which are known before the first prediction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lbt.data.classes import IGNORE, ClassTable
from lbt.data.label_images import label_palette
from lbt.files import SCHEMA_VERSION, atomic_path
from lbt.pseudo_labels.hdf5_file import DiskFile
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_structure import STRIDE
from lbt.space.padding import count_blocks

_SHOWN = {
    "label": ("IMAGE_INDEXED", "image"),
    "color": ("IMAGE_TRUECOLOR", "rgb-image"),
    "confidence": ("IMAGE_GRAYSCALE", "image"),
}
"""Datasets that viewers can show: IMAGE_SUBCLASS of the HDF5 Image specification, `interpretation` of NeXus."""


@dataclass(frozen=True)
class ImagePrediction:
    """A teacher's prediction on one image: label and confidence (H, W) uint8, probability (C, h, w) float16."""

    image_id: str
    label: np.ndarray
    confidence: np.ndarray
    probability: np.ndarray


def write_shard(
    path: Path,
    predictions: Iterable[ImagePrediction],
    sizes: Mapping[str, tuple[int, int]],
    classes: ClassTable,
    identity: ShardIdentity,
) -> None:
    """Write a shard atomically.

    Args:
        path: the file.
        predictions: one of each image, in the order of `sizes`; each is written before the next one is requested.
        sizes: height and width of each image in pixels, by identifier.
        classes: the classes, with the colours for viewers.
        identity: the origin of the shard.

    Raises:
        ValueError: there are no images, or the predictions belong to other images.
        LbtError: the file cannot be written.
    """
    if not sizes:
        raise ValueError(f"{path}: no predictions to write")
    palette, remaining = label_palette(classes.colors), iter(predictions)
    with atomic_path(path) as temporary, DiskFile(temporary) as disk:
        with h5py.File(disk, "w", libver=("v110", "v110")) as file:
            _create(file, sizes, classes, identity)
            for index, (image_id, size) in enumerate(sizes.items()):
                # A name for the prediction would keep it in memory while the next one is made.
                _write_image(file, index, _check(next(remaining, None), image_id, size, len(classes.names)), palette)
                disk.check()
            if next(remaining, None) is not None:
                raise ValueError(f"{path}: more predictions than images")
        disk.check()  # HDF5 writes the last bytes when it closes the file


def _create(
    file: h5py.File, sizes: Mapping[str, tuple[int, int]], classes: ClassTable, identity: ShardIdentity
) -> None:
    """Create a shard with the datasets of the images still empty."""
    height, width = (max(side) for side in zip(*sizes.values(), strict=True))
    low = [_stride_size(size) for size in sizes.values()]
    low_height, low_width = (max(side) for side in zip(*low, strict=True))
    count = len(sizes)
    for name, shape, kind in (
        ("label", (height, width), np.uint8),
        ("color", (height, width, 3), np.uint8),
        ("confidence", (height, width), np.uint8),
        ("probability", (len(classes.names), low_height, low_width), np.float16),
    ):
        _create_by_image(file, name, shape=(count, *shape), dtype=kind)
    _create_by_image(file, "size", data=np.array(list(sizes.values()), np.int32))
    _create_by_image(file, "stride_size", data=np.array(low, np.int32))
    _create_by_image(file, "image_id", data=np.array([image_id.encode() for image_id in sizes]))
    _describe(file, classes, identity)


def _create_by_image(file: h5py.File, name: str, **content: Any) -> None:
    """Create a dataset with a chunk for each image, compression and checksums."""
    shape = content["data"].shape if "data" in content else content["shape"]
    file.create_dataset(name, **content, chunks=(1, *shape[1:]), compression="gzip", shuffle=True, fletcher32=True)


def _describe(file: h5py.File, classes: ClassTable, identity: ShardIdentity) -> None:
    """Write the attributes with which viewers show the datasets, and those that a reader compares."""
    palette = label_palette(classes.colors)
    file.create_dataset("palette", data=palette, fletcher32=True, chunks=palette.shape)
    file["palette"].attrs.update({"CLASS": np.bytes_("PALETTE"), "PAL_VERSION": np.bytes_("1.2")})
    for name, (subclass, interpretation) in _SHOWN.items():
        attributes = {"CLASS": "IMAGE", "IMAGE_VERSION": "1.2", "IMAGE_SUBCLASS": subclass}
        file[name].attrs.update({key: np.bytes_(value) for key, value in attributes.items()})
        file[name].attrs["interpretation"] = interpretation
    file["color"].attrs["INTERLACE_MODE"] = np.bytes_("INTERLACE_PIXEL")
    file["label"].attrs["PALETTE"] = file["palette"].ref
    # NeXus: viewers follow `default` from the root to the data that they show first.
    file.attrs.update({"NX_class": "NXroot", "default": "entry"})
    entry = file.create_group("entry")
    entry.attrs.update({"NX_class": "NXentry", "default": "data"})
    data = entry.create_group("data")
    data.attrs.update({"NX_class": "NXdata", "signal": "color", "axes": [".", "y", ".", "."]})
    data["color"] = file["color"]
    # silx draws rows upwards. With an axis that decreases from the first row to the last, both show images upright.
    rows = np.arange(file["color"].shape[1], dtype=np.int32)[::-1]
    data.create_dataset("y", data=rows, chunks=rows.shape, fletcher32=True)
    file.attrs["schema_version"] = SCHEMA_VERSION
    file.attrs["classes"] = json.dumps(list(classes.names))
    file.attrs.update(asdict(identity))


def _write_image(file: h5py.File, index: int, prediction: ImagePrediction, palette: np.ndarray) -> None:
    """Write each chunk of one image once and whole, so that HDF5 neither reads it back nor keeps it."""
    for name, values, outside in (
        ("label", prediction.label, IGNORE),
        ("color", palette[prediction.label], 0),
        ("confidence", prediction.confidence, 0),
        ("probability", prediction.probability, 0),
    ):
        dataset = file[name]
        chunk = np.full(dataset.shape[1:], outside, dataset.dtype)
        chunk[tuple(map(slice, values.shape))] = values
        dataset[index] = chunk


def _check(prediction: ImagePrediction | None, image_id: str, size: tuple[int, int], classes: int) -> ImagePrediction:
    """Return the prediction if it belongs to this image; None stands for a missing prediction."""
    if prediction is None:
        raise ValueError(f"no prediction of image {image_id}")
    found = (prediction.image_id, prediction.label.shape, prediction.confidence.shape, prediction.probability.shape)
    needed = (image_id, size, size, (classes, *_stride_size(size)))
    if found != needed:
        raise ValueError(f"a prediction {found} was given, {needed} is needed (image, label, confidence, probability)")
    return prediction


def _stride_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image's probabilities."""
    return count_blocks(size[0], STRIDE), count_blocks(size[1], STRIDE)
