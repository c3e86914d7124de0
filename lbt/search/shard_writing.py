"""Writing of a pseudo-label shard; what it holds is described in `lbt.search.pseudo_labels`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from lbt.artifacts import SCHEMA_VERSION, atomic_path
from lbt.data.classes import IGNORE, ClassTable
from lbt.search.pseudo_labels import DATASETS, ShardIdentity

_SHOWN = {
    "label": ("IMAGE_INDEXED", "image"),
    "color": ("IMAGE_TRUECOLOR", "rgb-image"),
    "confidence": ("IMAGE_GRAYSCALE", "image"),
}
"""Datasets that a viewer can show: IMAGE_SUBCLASS of the HDF5 Image specification, `interpretation` of NeXus."""


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
