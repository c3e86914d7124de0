"""Read shards for people: the header of a shard, and the labels and confidences of a round by image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lbt.data.images import read_image
from lbt.errors import LbtError
from lbt.pseudo_labels.shard_format import ShardIdentity, read_identity
from lbt.pseudo_labels.shard_structure import STRIDE, open_shard, read_classes, read_ids, reading


@dataclass(frozen=True)
class ShardHead:
    """The header of a shard.

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
    """Read the header of a shard.

    Raises:
        LbtError: the file is missing, damaged, or not as labelling writes it.
    """
    with reading(path, "its head"), open_shard(path) as file:
        classes = read_classes(file)
        colors = tuple((int(red), int(green), int(blue)) for red, green, blue in file["palette"][: len(classes)])
        return ShardHead(read_identity(file), classes, colors, read_ids(file))


def read_labelled_image(path: Path, label: np.ndarray, max_pixels: int) -> np.ndarray:
    """Decode the image (H, W, 3) uint8 at `path`, which must have the size of its label (H, W).

    Args:
        path: the image.
        label: of the image.
        max_pixels: the most pixels that an image may have.

    Raises:
        LbtError: the image is missing, damaged or of another size.
    """
    pixels = read_image(path, max_pixels)
    if pixels.shape[:2] != label.shape:
        raise LbtError(
            f"{path}: is {pixels.shape[1]} x {pixels.shape[0]} pixels (width x height), its label {label.shape[1]} x "
            f"{label.shape[0]}. Restore the image that was labelled, or label again."
        )
    return pixels


class LabelledImages:
    """Labels and confidences of several shards by image, open during a `with` block.

    Args:
        heads: the header of each shard. An image in two shards is read from the first.
    """

    def __init__(self, heads: Mapping[Path, ShardHead]) -> None:
        self._files: dict[Path, h5py.File] = {}
        self._locations: dict[str, tuple[Path, int]] = {}
        for path, head in heads.items():
            for index, image_id in enumerate(head.image_ids):
                self._locations.setdefault(image_id, (path, index))

    def __enter__(self) -> LabelledImages:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._locations))

    def __len__(self) -> int:
        return len(self._locations)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._locations

    def read(self, image_id: str) -> tuple[np.ndarray, np.ndarray]:
        """Label (H, W) uint8 with class indices, and confidence (H, W) uint8 from 0 to 255, equal in blocks of 8 x 8.

        Raises:
            LbtError: the file is damaged.
        """
        path, index = self._locations[image_id]
        with reading(path, f"image {image_id}"):
            if path not in self._files:
                self._files[path] = open_shard(path)
            file = self._files[path]
            height, width = file["size"][index]
            blocks = file["confidence"][index].repeat(STRIDE, axis=0).repeat(STRIDE, axis=1)
            return file["label"][index, :height, :width], blocks[:height, :width]
