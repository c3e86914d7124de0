"""The folder layout: any images and masks; official parts have folders of their own or share an undivided one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lbt.config import OFFICIAL_SPLITS, FolderSettings, OfficialSplit
from lbt.data.division import divide
from lbt.data.images import IMAGE_ENDINGS, glob_images, natural_key
from lbt.data.problems import Problem, no_image
from lbt.data.sample import Sample
from lbt.errors import LbtError


def scan_folder(
    root: Path, folder: FolderSettings, split: OfficialSplit, seed: int
) -> tuple[list[Sample], list[Problem]]:
    """The usable samples of an official part, and the problems of its file names.

    If the folder is undivided, `seed` divides its images into the official parts.

    Raises:
        LbtError: an undivided folder has too few images or no mask; `folder.group` is no usable regular expression.
    """
    samples, problems = _pair(root, folder, split)
    return (_official_part(root, folder, samples, split, seed) if is_undivided(folder) else samples), problems


def is_undivided(folder: FolderSettings) -> bool:
    """Whether one folder holds the images of all official parts, so that `seed` has to divide them."""
    return "{split}" not in folder.images


def count_masks(root: Path, folder: FolderSettings) -> tuple[int, int]:
    """The number of images of an undivided folder that have a mask, and the number of all its images."""
    samples, _ = _pair(root, folder, "train")
    return sum(sample.label is not None for sample in samples), len(samples)


def find_folder_orphans(root: Path, folder: FolderSettings) -> list[Problem]:
    """The masks of train and val without an image; see `lbt.data.layouts.find_orphan_masks`."""
    # One folder of masks may serve all parts, so a mask is an orphan only if no part has its image.
    masks: set[str] = set()
    claimed: set[str] = set()
    for split in OFFICIAL_SPLITS:
        found, images = _masks(root, folder, split), _images(root, folder, split)
        stems = {Path(image).stem + folder.mask_suffix for image in images}
        claimed.update(mask for mask in found if Path(mask).stem in stems)
        if images and split != "unlabeled":
            masks.update(found)
    alike = "has no image of its stem"
    return [
        Problem(mask, f"has no image of the stem {Path(mask).stem.removesuffix(folder.mask_suffix)}", alike)
        for mask in sorted(masks - claimed)
    ]


def _pair(root: Path, folder: FolderSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    """Find the images, and the mask and the group of each."""
    undivided = is_undivided(folder)
    masks: dict[str, list[str]] = defaultdict(list)
    if split != "unlabeled" or undivided:
        for mask in _masks(root, folder, split):
            masks[Path(mask).stem].append(mask)
    samples, problems = [], []
    images = _images(root, folder, split)
    if not images:
        place, endings = f"{root}/{_pattern(folder.images, folder, split)}", " ".join(sorted(IMAGE_ENDINGS))
        what = f"matches no image ({endings}); correct data.folder.images"
        problems.append(no_image(place, what, split == "unlabeled" and not undivided))
    stems = defaultdict(list)
    for image in images:
        stems[Path(image).stem].append(image)
    expression = _expression(folder.group)
    for image in images:
        stem = Path(image).stem
        if len(stems[stem]) > 1:
            problems.append(Problem(image, f"shares its stem with {len(stems[stem]) - 1} more; rename one"))
            continue
        found = masks[stem + folder.mask_suffix]
        if len(found) > 1:
            problems.append(Problem(image, f"has {len(found)} labels: {', '.join(found)}", "has several labels"))
            continue
        if not found and split != "unlabeled" and not undivided:
            place = _pattern(folder.masks, folder, split)
            alike = f"has no label; expected its stem{folder.mask_suffix and ' and '}{folder.mask_suffix} in {place}"
            problems.append(Problem(image, f"has no label; expected {stem}{folder.mask_suffix} in {place}", alike))
            continue
        match = expression.search(stem)
        if match is None or match[1] is None:
            problems.append(Problem(image, f"has a stem that does not match data.folder.group {folder.group!r}"))
            continue
        name = image.removesuffix(Path(image).suffix)
        samples.append(Sample(name, image, found[0] if found else None, match[1] or "all"))
    return _cut_groups(samples, folder.stretch), problems


def _official_part(
    root: Path, folder: FolderSettings, samples: list[Sample], split: OfficialSplit, seed: int
) -> list[Sample]:
    """The official part `split` of an undivided folder; the same images, shares and seed give the same parts."""
    labelled = [sample for sample in samples if sample.label is not None]
    if not labelled:
        if samples:
            raise LbtError(
                f"{root}/{folder.masks}: no mask has the stem of an image in {folder.images}; correct "
                "data.folder.masks or data.folder.mask_suffix."
            )
        return []
    shares = (1 - folder.val_share - folder.unlabeled_share, folder.val_share, folder.unlabeled_share)
    divided = divide(labelled, [share for share in shares if share], seed)
    if split != "unlabeled":
        return divided[0] if split == "train" else divided[1]
    set_aside = divided[2] if folder.unlabeled_share else []
    return [replace(sample, label=None) for sample in set_aside] + [s for s in samples if s.label is None]


def _images(root: Path, folder: FolderSettings, split: OfficialSplit) -> list[str]:
    images = glob_images(root, _pattern(folder.images, folder, split))
    if not folder.mask_suffix:
        return images
    # If masks lie in the folder of the images, the pattern of the images matches them too.
    masks = set(_masks(root, folder, split))
    return [image for image in images if image not in masks]


def _masks(root: Path, folder: FolderSettings, split: OfficialSplit) -> list[str]:
    masks = glob_images(root, _pattern(folder.masks, folder, split))
    return [mask for mask in masks if Path(mask).stem.endswith(folder.mask_suffix)]


def _pattern(pattern: str, folder: FolderSettings, split: OfficialSplit) -> str:
    return pattern.replace("{split}", folder.splits[split])


def _expression(group: str) -> re.Pattern[str]:
    try:
        expression = re.compile(group)
    except re.error as error:
        raise LbtError(f"data.folder.group: {group!r} is not a regular expression ({error}); correct it.") from error
    if expression.groups < 1:
        raise LbtError(f"data.folder.group: {group!r} has no group; put round brackets around the name of the group.")
    return expression


def _cut_groups(samples: Iterable[Sample], stretch: int) -> list[Sample]:
    """Cut each group into `stretch` runs of neighbouring images; their lengths differ by at most one."""
    if stretch == 1:
        return list(samples)
    groups = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    cut = []
    for group, members in groups.items():
        members.sort(key=lambda sample: natural_key(sample.id))
        runs = min(stretch, len(members))
        for position, sample in enumerate(members):
            cut.append(replace(sample, group=f"{group}:{position * runs // len(members)}"))
    return cut
