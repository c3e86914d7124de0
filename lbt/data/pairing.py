"""Pair images with masks by the part of the stem that both share, and by folder where several images share it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lbt.config import FolderSettings
from lbt.data.find_files import Listing

Places = Mapping[str, tuple[str, ...]]
"""Of each folder, the names in its path that wildcards of the pattern stand for."""


@dataclass(frozen=True)
class Pairing:
    """The masks of each image.

    Attributes:
        masks: by image; one mask if all is well, several if it is not clear which belongs to the image.
        twins: images of the same folder and stem, and images that lay claim to the same mask; by image, the others.
    """

    masks: Mapping[str, Sequence[str]]
    twins: Mapping[str, Sequence[str]]

    @property
    def claimed(self) -> set[str]:
        """The masks that have an image."""
        return {mask for masks in self.masks.values() for mask in masks}


def stem_of(path: str) -> str:
    """The name of a file without folder and ending."""
    return os.path.splitext(os.path.basename(path))[0]


def image_core(path: str, folder: FolderSettings) -> str | None:
    """What the stem of an image shares with its mask; None if the name lacks the prefix or suffix of images."""
    return _core(stem_of(path), folder.image_prefix, folder.image_suffix)


def mask_core(path: str, folder: FolderSettings) -> str | None:
    """What the stem of a mask shares with its image; None if the name lacks the prefix or suffix of masks."""
    return _core(stem_of(path), folder.mask_prefix, folder.mask_suffix)


def pair(images: Listing, masks: Listing, folder: FolderSettings) -> Pairing:
    """Pair the images and masks of a part.

    A stem that only one image has takes the mask of that stem, wherever it lies. If several images or masks share a
    stem, folders decide: what the wildcards of the pattern of the images stand for must equal what those of the masks
    stand for. Where no folder is equal, folder names that all images or all masks have in common are left aside.
    """
    images_of, masks_of = defaultdict(list), defaultdict(list)
    for image in images.files:
        images_of[image_core(image, folder)].append(image)
    for mask in masks.files:
        masks_of[mask_core(mask, folder)].append(mask)
    found: dict[str, Sequence[str]] = {}
    twins: dict[str, Sequence[str]] = {}
    short = _without_common(images), _without_common(masks)
    for core, alike in images_of.items():
        candidates = masks_of[core]
        if len(alike) == 1 and len(candidates) <= 1:
            found[alike[0]] = candidates
            continue
        for places in ((images.folders, masks.folders), short):
            matched = {image: _same_place(image, candidates, *places) for image in alike}
            if any(matched.values()):
                found |= matched
                break
        else:
            found |= dict.fromkeys(alike, candidates)
        for image in alike:
            others = [other for other in alike if other != image]
            rivals = [o for o in others if _place(o) == _place(image) or set(found[o]) & set(found[image])]
            if rivals:
                twins[image] = rivals
    return Pairing(found, twins)


def _core(stem: str, prefix: str, suffix: str) -> str | None:
    if len(stem) < len(prefix) + len(suffix) or not (stem.startswith(prefix) and stem.endswith(suffix)):
        return None
    return stem[len(prefix) : len(stem) - len(suffix)]


def _same_place(image: str, masks: Iterable[str], image_places: Places, mask_places: Places) -> list[str]:
    return [mask for mask in masks if mask_places[_place(mask)] == image_places[_place(image)]]


def _without_common(listing: Listing) -> Places:
    """The folders without the names that all of them have in common."""
    used = {folder: listing.folders[folder] for folder in {_place(file) for file in listing.files}}
    common = set.intersection(*map(set, used.values())) if used else set()
    return {folder: tuple(name for name in names if name not in common) for folder, names in used.items()}


def _place(file: str) -> str:
    return os.path.dirname(file)
