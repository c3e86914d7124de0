"""Labels and confidences of a round's shards, by image."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import h5py
import numpy as np

from lbt.data.images import read_image
from lbt.errors import LbtError
from lbt.pseudo_labels.shard_format import ShardIdentity, explained


@dataclass(frozen=True)
class ShardHead:
    """What a shard says of itself.

    Attributes:
        identity: round, method, seed, teacher and code that made it.
        classes: names of the classes, in order.
        colors: red, green and blue of each class.
        image_ids: the images, in the order of the file.
    """

    identity: ShardIdentity
    classes: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    image_ids: tuple[str, ...]

    @property
    def search(self) -> tuple[str, int]:
        """Method and seed."""
        return self.identity.method, self.identity.seed

    @property
    def title(self) -> str:
        """Method, seed and round in words."""
        return f"{self.identity.method}, seed {self.identity.seed}, round {self.identity.round}"

    @property
    def file_name(self) -> str:
        """Method, seed and round as part of a file's name."""
        return f"{self.identity.method}-seed-{self.identity.seed}-round-{self.identity.round}"


def read_head(path: Path) -> ShardHead:
    """Read what a shard says of itself.

    Raises:
        LbtError: the file is missing, damaged, or lacks an attribute.
    """

    def read(path: Path) -> ShardHead:
        with h5py.File(path, "r") as file:
            values = {field.name: file.attrs[field.name] for field in fields(ShardIdentity)}
            identity = ShardIdentity(**values | {key: int(values[key]) for key in ("round", "seed")})
            classes = tuple(json.loads(file.attrs["classes"]))
            colors = tuple(map(tuple, file["palette"][: len(classes)].tolist()))
            return ShardHead(identity, classes, colors, tuple(name.decode() for name in file["image_id"][:]))

    try:
        return explained(path, "its head", read)
    except (TypeError, ValueError, AttributeError) as error:
        raise LbtError(f"{path}: is no shard of pseudo labels ({error}). Delete it and label again.") from error


def photograph(path: Path, label: np.ndarray) -> np.ndarray:
    """The image (H, W, 3) uint8 that a label (H, W) belongs to.

    Raises:
        LbtError: the image is missing, damaged or of another size than its label.
    """
    pixels = read_image(path)
    if pixels.shape[:2] != label.shape:
        raise LbtError(
            f"{path}: is {pixels.shape[1]} x {pixels.shape[0]} pixels (width x height), its label {label.shape[1]} x "
            f"{label.shape[0]}. Put the image back that was labelled, or label again."
        )
    return pixels


class LabelledImages:
    """Labels and confidences of several shards, by image; open as long as the `with` block.

    Args:
        heads: the shards with what each says of itself. An image that stands twice is read from the first file.
    """

    def __init__(self, heads: Mapping[Path, ShardHead]) -> None:
        self._files: dict[Path, h5py.File] = {}
        self._places: dict[str, tuple[Path, int]] = {}
        for path, head in heads.items():
            for index, image_id in enumerate(head.image_ids):
                self._places.setdefault(image_id, (path, index))

    def __enter__(self) -> LabelledImages:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._places))

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._places

    def read(self, image_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Label (H, W) uint8 with class indices, and confidence (H, W) uint8 from 0 to 255.

        Raises:
            LbtError: the file is damaged.
        """
        path, index = self._places[image_id]

        def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
            if path not in self._files:
                self._files[path] = h5py.File(path, "r")
            file = self._files[path]
            height, width = file["size"][index]
            return file["label"][index, :height, :width], file["confidence"][index, :height, :width]

        return explained(path, f"image {image_id}", read)
