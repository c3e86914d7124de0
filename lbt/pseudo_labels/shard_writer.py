"""Writing of a pseudo-label shard (see `lbt.pseudo_labels.shard_format`), one image after the other.

A shard may hold thousands of images, so each prediction goes to disk as it comes and nothing of it is kept. What must
be known before the first one, the size to which all images are padded, comes from the sizes of the images alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from lbt.data.classes import IGNORE, ClassTable
from lbt.data.label_images import label_palette
from lbt.files import SCHEMA_VERSION, atomic_path
from lbt.pseudo_labels.hdf5_file import DiskFile
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.space.architecture import SCALES
from lbt.space.padding import count_blocks

_STRIDE = SCALES[0]
"""Pixels between two probabilities, the network's output stride."""
_SHOWN = {
    "label": ("IMAGE_INDEXED", "image"),
    "color": ("IMAGE_TRUECOLOR", "rgb-image"),
    "confidence": ("IMAGE_GRAYSCALE", "image"),
}
"""Datasets that a viewer can show: IMAGE_SUBCLASS of the HDF5 Image specification, `interpretation` of NeXus."""


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
        predictions: one of each image, in the order of `sizes`; each is written before the next one is asked for.
        sizes: height and width of each image in pixels, by identifier.
        classes: the classes, with the colours in which viewers show them.
        identity: what made the shard.

    Raises:
        ValueError: no images, or the predictions are not those of the images.
        LbtError: the file cannot be written.
    """
    if not sizes:
        raise ValueError(f"{path}: no predictions to write")
    palette, coming = label_palette(classes.colors), iter(predictions)
    with atomic_path(path) as temporary, DiskFile(temporary) as disk:
        with h5py.File(disk, "w", libver=("v110", "v110")) as file:
            _create(file, sizes, classes, identity)
            for index, (image_id, size) in enumerate(sizes.items()):
                # no name for the prediction: it would live on while the next one is made
                _write_image(file, index, _checked(next(coming, None), image_id, size, len(classes.names)), palette)
                disk.check()
            if next(coming, None) is not None:
                raise ValueError(f"{path}: more predictions than images")
        disk.check()  # what HDF5 wrote when it closed the file


def _create(
    file: h5py.File, sizes: Mapping[str, tuple[int, int]], classes: ClassTable, identity: ShardIdentity
) -> None:
    """All of a shard but the images: their datasets are there and empty."""
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


def _create_by_image(file: h5py.File, name: str, **content) -> None:
    """A dataset with a chunk for each image, compressed and with a checksum."""
    shape = content["data"].shape if "data" in content else content["shape"]
    file.create_dataset(name, **content, chunks=(1, *shape[1:]), compression="gzip", shuffle=True, fletcher32=True)


def _describe(file: h5py.File, classes: ClassTable, identity: ShardIdentity) -> None:
    """What viewers need to show the datasets, and what a reader compares."""
    palette = label_palette(classes.colors)
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


def _write_image(file: h5py.File, index: int, prediction: ImagePrediction, palette: np.ndarray) -> None:
    """Write the chunks of one image, each once and whole: HDF5 neither reads them back nor keeps them."""
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


def _checked(prediction: ImagePrediction | None, image_id: str, size: tuple[int, int], classes: int) -> ImagePrediction:
    """The prediction, if it is of this image; None stands for a missing one."""
    if prediction is None:
        raise ValueError(f"no prediction of image {image_id}")
    found = (prediction.image_id, prediction.label.shape, prediction.confidence.shape, prediction.probability.shape)
    wanted = (image_id, size, size, (classes, *_stride_size(size)))
    if found != wanted:
        raise ValueError(f"a prediction {found} was given, {wanted} is needed (image, label, confidence, probability)")
    return prediction


def _stride_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image's probabilities."""
    return count_blocks(size[0], _STRIDE), count_blocks(size[1], _STRIDE)
