"""Find photographs that are in two parts of the data set under different names."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np

from lbt.config import DataSettings
from lbt.data.images import read_image
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.files import sha256

_SIDE = 64
_THREADS = 4
_NAMED = 3


def sketch(pixels: np.ndarray) -> bytes:
    """A digest of about 64 rows and columns of an image (H, W, 3); equal images have equal digests."""
    step = max(1, min(pixels.shape[:2]) // _SIDE)
    found = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=16)
    found.update(pixels[::step, ::step].tobytes())
    return found.digest()


def equal_image_warnings(
    data: DataSettings, sketches: Mapping[str, bytes], roles: Mapping[str, Sequence[Sample]]
) -> list[str]:
    """Warnings of images with equal pixels in two parts.

    Args:
        data: the data set.
        sketches: of each image.
        roles: the images of each role.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    for role, members in roles.items():
        for sample in members:
            parts[sample.image].append(role)
    groups = [group for group in _equal_images(data, sketches) if len(group) > 1]
    if groups and len(groups[0]) == len(sketches):
        return [f"all {len(sketches)} photographs are equal, such as {' and '.join(groups[0][:2])}; replace the copies"]
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for group in groups:
        by_part: dict[str, str] = {}
        for image in group:
            by_part.setdefault(" and ".join(parts[image]), image)
        for (one, first), (other, second) in combinations(sorted(by_part.items()), 2):
            shared[one, other].append(f"{first} = {second}")
    warnings = []
    for (one, other), pairs in shared.items():
        named = ", ".join(pairs[:_NAMED]) + (", ..." if len(pairs) > _NAMED else "")
        why = ", so that the score of the evaluation says too much" if "evaluation" in (one, other) else ""
        warnings.append(
            f"{len(pairs)} photograph(s) are both in {one} and in {other}{why}: {named}; remove one of each"
        )
    return warnings


def _equal_images(data: DataSettings, sketches: Mapping[str, bytes]) -> list[list[str]]:
    """Groups of images with equal pixels, the largest first. Only those of one sketch are read again."""
    root = Path(data.root)
    alike: dict[bytes, list[str]] = defaultdict(list)
    for image, found in sketches.items():
        alike[found].append(image)
    doubtful = [image for group in alike.values() if len(group) > 1 for image in group]
    with ThreadPoolExecutor(_THREADS) as pool:
        contents = dict(zip(doubtful, pool.map(lambda image: sha256(root / image), doubtful), strict=True))
        # Files of equal content are decoded once, and not at all if all files of a sketch are equal.
        first = {contents[image]: image for image in reversed(doubtful)}
        several = [group for group in alike.values() if len({contents.get(image) for image in group}) > 1]
        decoded = [image for group in several for image in group if first[contents[image]] == image]
        pixels = dict(
            zip(decoded, pool.map(lambda image: _pixels(root / image, data.max_pixels), decoded), strict=True)
        )
    return sorted(_group(doubtful, {i: pixels.get(first[c], c) for i, c in contents.items()}), key=len, reverse=True)


def _group(images: Iterable[str], keys: Mapping[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for image in images:
        groups[keys[image]].append(image)
    return list(groups.values())


def _pixels(path: Path, max_pixels: int) -> str:
    try:
        pixels = read_image(path, max_pixels)
    except LbtError:  # changed since its sketch
        return str(path)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
