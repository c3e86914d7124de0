"""Write a pseudo-label shard and its file of probabilities (`lbt.pseudo_labels.shard_format`), image by image.

A shard may hold thousands of images, so each prediction is written to disk at once and then dropped. The size to which
all images are padded follows from the sizes of the images, which are known before the first prediction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lbt.data.classes import IGNORE, ClassTable
from lbt.data.label_images import label_palette
from lbt.files import SCHEMA_VERSION, atomic_path, writing
from lbt.pseudo_labels.chunk import LEVEL, make_chunk
from lbt.pseudo_labels.compute_ahead import compute_ahead
from lbt.pseudo_labels.hdf5_file import DiskFile
from lbt.pseudo_labels.shard_format import ShardIdentity, encode_probability
from lbt.pseudo_labels.shard_structure import stride_size

_SHOWN = {
    "label": ("IMAGE_INDEXED", "image"),
    "color": ("IMAGE_TRUECOLOR", "rgb-image"),
    "confidence": ("IMAGE_GRAYSCALE", "image"),
}
"""Datasets that viewers can show: IMAGE_SUBCLASS of the HDF5 Image specification, `interpretation` of NeXus."""

_NO_PROBABILITY = int(encode_probability(np.zeros(1))[0])


@dataclass(frozen=True)
class ImagePrediction:
    """A teacher's prediction on one image: label (H, W) uint8, probability (C, h, w) float32 at the output stride."""

    image_id: str
    label: np.ndarray
    probability: np.ndarray


def write_shard(
    path: Path,
    probabilities: Path,
    predictions: Iterable[ImagePrediction],
    sizes: Mapping[str, tuple[int, int]],
    classes: ClassTable,
    identity: ShardIdentity,
    threads: int = 0,
) -> None:
    """Write a shard and its file of probabilities, each atomically.

    Args:
        path: the shard.
        probabilities: the file of probabilities.
        predictions: one of each image, in the order of `sizes`; each is written before further ones are made, but for
            those that the threads compress.
        sizes: height and width of each image in pixels, by identifier.
        classes: the classes, with the colours for viewers.
        identity: the origin of the shard.
        threads: how many threads compress predictions while the next ones are made; 0 for none. They change no byte.

    Raises:
        ValueError: there are no images, or the predictions belong to other images.
        LbtError: a file cannot be written.
    """
    if not sizes:
        raise ValueError(f"{path}: no predictions to write")
    palette, remaining = label_palette(classes.colors), iter(predictions)
    with _new_file(path) as shard, _new_file(probabilities) as soft:
        _create_shard(shard.file, sizes, classes)
        _create_probabilities(soft.file, sizes, len(classes.names))
        for place in (shard, soft):
            place.file.attrs["schema_version"] = SCHEMA_VERSION
            place.file.attrs["classes"] = json.dumps(list(classes.names))
            place.file.attrs.update(asdict(identity))
        checked = (_check(next(remaining, None), *item, len(classes.names)) for item in sizes.items())
        compress = partial(_compress, _padded_size(sizes), palette)
        with closing(compute_ahead(compress, checked, threads)) as done:
            for index, chunks in enumerate(done):
                for name, chunk in chunks.items():
                    dataset = (soft if name == "probability" else shard).file[name]
                    dataset.id.write_direct_chunk((index, *(0,) * (dataset.ndim - 1)), chunk)
                shard.check()
                soft.check()
        if next(remaining, None) is not None:
            raise ValueError(f"{path}: more predictions than images")


@dataclass(frozen=True)
class _NewFile:
    """A file that is being written at `path`."""

    path: Path
    file: h5py.File
    disk: DiskFile

    def check(self) -> None:
        """Raise LbtError if a byte could not be written."""
        with writing(self.path):
            self.disk.check()


@contextmanager
def _new_file(path: Path) -> Iterator[_NewFile]:
    with atomic_path(path) as temporary, DiskFile(temporary) as disk:
        with h5py.File(disk, "w", libver=("v110", "v110")) as file:
            yield _NewFile(path, file, disk)
        disk.check()  # HDF5 writes the last bytes when it closes the file


def _create_shard(file: h5py.File, sizes: Mapping[str, tuple[int, int]], classes: ClassTable) -> None:
    """Create a shard with the datasets of the images still empty."""
    count, padded = len(sizes), _padded_size(sizes)
    for name, shape in (("label", padded), ("color", (*padded, 3)), ("confidence", stride_size(padded))):
        _create_by_image(file, name, shape=(count, *shape), dtype=np.uint8)
    _create_index(file, sizes)
    _describe(file, classes)


def _create_probabilities(file: h5py.File, sizes: Mapping[str, tuple[int, int]], classes: int) -> None:
    """Create a file of probabilities with the dataset of the images still empty."""
    shape = (len(sizes), classes, *stride_size(_padded_size(sizes)))
    _create_by_image(file, "probability", shape=shape, dtype=np.uint8)
    _create_index(file, sizes)


def _padded_size(sizes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    return max(height for height, _ in sizes.values()), max(width for _, width in sizes.values())


def _create_index(file: h5py.File, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Write size and identifier of each image."""
    _create_by_image(file, "size", data=np.array(list(sizes.values()), np.int32))
    _create_by_image(file, "image_id", data=np.array([image_id.encode() for image_id in sizes]))


def _create_by_image(file: h5py.File, name: str, **content: Any) -> None:
    """Create a dataset with a chunk for each image, compression and checksums."""
    shape = content["data"].shape if "data" in content else content["shape"]
    stored = {"compression": "gzip", "compression_opts": LEVEL, "shuffle": True, "fletcher32": True}
    file.create_dataset(name, **content, **stored, chunks=(1, *shape[1:]))


def _describe(file: h5py.File, classes: ClassTable) -> None:
    """Write the attributes with which viewers show the datasets."""
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


def _compress(padded: tuple[int, int], palette: np.ndarray, prediction: ImagePrediction) -> dict[str, bytes]:
    """The chunk of an image by dataset, for images that are padded to a common size."""
    low, codes = stride_size(padded), encode_probability(prediction.probability)
    confidence = np.rint(255 * prediction.probability.max(axis=0)).astype(np.uint8)
    padded_values = {
        "label": _pad(prediction.label, padded, IGNORE),
        "color": _pad(palette.take(prediction.label, axis=0), (*padded, 3), 0),
        "confidence": _pad(confidence, low, 0),
        "probability": _pad(codes, (len(codes), *low), _NO_PROBABILITY),
    }
    return {name: make_chunk(values) for name, values in padded_values.items()}


def _pad(values: np.ndarray, shape: tuple[int, ...], outside: int) -> np.ndarray:
    if values.shape == shape:
        return values
    whole = np.full(shape, outside, np.uint8)
    whole[tuple(map(slice, values.shape))] = values
    return whole


def _check(prediction: ImagePrediction | None, image_id: str, size: tuple[int, int], classes: int) -> ImagePrediction:
    """Return the prediction if it belongs to this image; None stands for a missing prediction."""
    if prediction is None:
        raise ValueError(f"no prediction of image {image_id}")
    found = (prediction.image_id, prediction.label.shape, prediction.probability.shape)
    needed = (image_id, size, (classes, *stride_size(size)))
    if found != needed:
        raise ValueError(f"a prediction {found} was given, {needed} is needed (image, label, probability)")
    return prediction
