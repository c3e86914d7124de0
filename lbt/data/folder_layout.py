"""The folder layout: any images and masks; official parts have folders of their own or share an undivided one."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lbt.config import OFFICIAL_SPLITS, FolderSettings, OfficialSplit
from lbt.data.division import divide
from lbt.data.find_files import BROKEN, ENDING, NO_FILE, OUTSIDE, PICTURE_ENDINGS, Listing, find_files
from lbt.data.groups import EVERYTHING, cut_groups, name_groups
from lbt.data.images import IMAGE_ENDINGS
from lbt.data.pairing import Pairing, image_core, mask_core, pair
from lbt.data.problems import Problem, no_image, shorten
from lbt.data.sample import Sample
from lbt.data.unpaired import describe_likeness, explain_missing, explain_unpaired
from lbt.errors import LbtError, is_hidden

WITHOUT_AFFIX = "name without the prefix or suffix"
"""Why a file is left out whose stem lacks the prefix or suffix of its kind."""
_NOT_THERE = {BROKEN: "a broken link", NO_FILE: "not a regular file"}
"""Reasons for leaving out what has the name of an image, in words."""


def scan_folder(
    root: Path, folder: FolderSettings, split: OfficialSplit, seed: int
) -> tuple[list[Sample], list[Problem]]:
    """The usable samples of an official part, and the problems of its file names.

    If the folder is undivided, `seed` divides its images into the official parts.

    Raises:
        LbtError: an undivided folder has too few images or no mask; `folder.group` is not a usable regular expression.
    """
    samples, problems = _pair(root, folder, split)
    if is_undivided(folder):
        try:
            samples = _official_part(root, folder, samples, split, seed)
        except LbtError:
            if not problems:
                raise
            samples = []  # the problems are the cause
    return samples, problems


def is_undivided(folder: FolderSettings) -> bool:
    """Whether one folder holds the images of all official parts, so that `seed` has to divide them."""
    return "{split}" not in folder.images


def count_masks(root: Path, folder: FolderSettings) -> tuple[int, int]:
    """The number of images of an undivided folder that have a mask, and the number of all its images."""
    samples, _ = _pair(root, folder, "train")
    return sum(sample.label is not None for sample in samples), len(samples)


def list_part(root: Path, folder: FolderSettings, split: OfficialSplit) -> tuple[Listing, Listing]:
    """The images and the masks of an official part.

    If masks lie in the folder of the images, the pattern of the images matches them too; they are no images then.
    """
    images = find_files(root, fill_split(folder.images, folder, split))
    masks = find_files(root, fill_split(folder.masks, folder, split))
    masks.left_out |= {file: WITHOUT_AFFIX for file in masks.files if mask_core(file, folder) is None}
    masks.files = [file for file in masks.files if file not in masks.left_out]
    if folder.mask_prefix or folder.mask_suffix:
        no_images = set(masks.files)
        images.files = [file for file in images.files if file not in no_images]
    images.left_out |= {file: WITHOUT_AFFIX for file in images.files if image_core(file, folder) is None}
    images.files = [file for file in images.files if file not in images.left_out]
    return images, masks


def fill_split(pattern: str, folder: FolderSettings, split: OfficialSplit) -> str:
    """A pattern with the name of an official part in place of `{split}`."""
    return pattern.replace("{split}", folder.splits[split])


def find_folder_orphans(root: Path, folder: FolderSettings) -> list[Problem]:
    """The masks of train and val without an image; see `lbt.data.layouts.find_orphan_masks`."""
    # One folder of masks may serve all parts, so a mask is an orphan only if no part has its image.
    of_parts: list[list[str]] = []
    claimed: set[str] = set()
    causes: dict[str, tuple[str, str]] = {}
    lonely: list[str] = []
    for split in ("train",) if is_undivided(folder) else OFFICIAL_SPLITS:
        images, masks = list_part(root, folder, split)
        found = pair(images, masks, folder)
        claimed |= found.claimed
        for file, why in images.left_out.items():
            if (cause := _left_out_image(file, why)) and file not in masks.files:
                causes[image_core(file, folder) or ""] = cause
        lonely += [image for image in images.files if not found.masks[image]]
        if images.files and split != "unlabeled":
            of_parts.append(masks.files)
    # Where no mask has an image, the cause is one for all: see `explain_unpaired`.
    orphans = sorted({mask for masks in of_parts if claimed & set(masks) for mask in masks} - claimed)
    hint = describe_likeness(lonely, orphans) if lonely and orphans else ""
    return [_orphan(mask, mask_core(mask, folder) or "", causes, hint) for mask in orphans]


def _left_out_image(file: str, why: str) -> tuple[str, str] | None:
    """Why the image of a mask is left out, and the same of several; None if the file is hardly an image."""
    ending = os.path.splitext(file)[1].lower()
    if why in _NOT_THERE:
        return f"has an image that is {_NOT_THERE[why]}: {file}; restore it", "has a broken image"
    if why.startswith(ENDING) and ending in PICTURE_ENDINGS:
        what = "has an image whose ending is not read"
        return f"{what}: {file}; save it as JPEG or PNG", f"{what}; save such images as JPEG or PNG"
    if why == OUTSIDE and ending in IMAGE_ENDINGS:
        what = "has an image that data.folder.images does not match"
        return f"{what}: {file}; correct it", f"{what}; correct it"
    return None


def _orphan(mask: str, core: str, causes: Mapping[str, tuple[str, str]], hint: str) -> Problem:
    if core in causes:
        return Problem(mask, *causes[core])
    return Problem(mask, f"has no image of the stem {core}{hint}", f"has no image of its stem{hint}")


def _pair(root: Path, folder: FolderSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    """Find the images, and the mask and the group of each."""
    undivided = is_undivided(folder)
    images, masks = list_part(root, folder, split)
    if not images.files:
        pattern = fill_split(folder.images, folder, split)
        what = f"matches no image: {explain_missing(root, folder.images, pattern, images, 'images')}"
        return [], [no_image(f"{root}/{pattern}", what, split == "unlabeled" and not undivided)]
    labelled = undivided or split != "unlabeled"
    pairing = pair(images, masks if labelled else Listing(), folder)
    unusable = _unusable_masks(images, masks, pairing, folder) if labelled else {}
    place = fill_split(folder.masks, folder, split)
    if labelled and not undivided and not pairing.claimed and not unusable:
        what = f"no mask has the stem of an image: {explain_unpaired(root, folder, split, images, masks)}"
        return [], [Problem(f"{root}/{place}", what)]
    groups = name_groups(images.files, folder.group)
    samples, problems = [], _broken_folders(masks) if labelled else []
    below = f", which does not reach the folders below it ({shorten(masks.below)})" if masks.below else ""
    for image in images.files:
        found, group = pairing.masks[image], groups[image]
        if image in pairing.twins:
            problems.append(_twin(image, pairing, folder))
        elif len(found) > 1:
            problems.append(Problem(image, f"has {len(found)} labels: {', '.join(found)}", "has several labels"))
        elif found == [image]:
            what = (
                "is found as an image and as its own mask; name the place or ending of the masks in data.folder.masks,"
            )
            problems.append(Problem(image, f"{what} such as `*.png`, or their `mask_suffix`"))
        elif image in unusable:
            problems.append(unusable[image])
        elif not found and labelled and not undivided:
            stem = f"{folder.mask_prefix}{image_core(image, folder)}{folder.mask_suffix}"
            affix = f"{folder.mask_suffix and ' and '}{folder.mask_suffix}"
            alike = f"has no label; expected its stem{affix} in {place}"
            problems.append(Problem(image, f"has no label; expected {stem} in {place}{below}", f"{alike}{below}"))
        elif group is None and not is_hidden(image):  # `.` stands for no line break; `select_named` refuses such a name
            problems.append(Problem(image, f"has a stem that does not match data.folder.group {folder.group!r}"))
        else:
            name = image.removesuffix(Path(image).suffix)
            samples.append(Sample(name, image, found[0] if found else None, group or EVERYTHING))
    return cut_groups(samples, folder.stretch), problems


def _twin(image: str, pairing: Pairing, folder: FolderSettings) -> Problem:
    twins, masks = pairing.twins[image], pairing.masks[image]
    if any(os.path.dirname(twin) == os.path.dirname(image) for twin in twins):
        same = folder.images == folder.masks
        remedy = "name the endings in data.folder.images and data.folder.masks, such as `*.jpg` and `*.png`"
        return Problem(image, f"shares its stem with {len(twins)} more; {remedy if same else 'rename one'}")
    return Problem(
        image,
        f"shares its stem, and the mask {', '.join(masks)}, with {', '.join(twins)}; put the masks into folders of the "
        "names that the images' folders have, or rename one",
        "shares its stem and its mask with an image of another folder; put the masks into folders of the names that "
        "the images' folders have, or rename the images",
    )


def _broken_folders(masks: Listing) -> list[Problem]:
    """Broken links in the place of masks that have no ending: they lead to folders, whose masks are gone."""
    broken = [name for name, why in masks.left_out.items() if why == BROKEN and not os.path.splitext(name)[1]]
    what = "is a link to a folder that does not exist; restore the folder, or remove the link"
    return [Problem(name, what) for name in sorted(broken)]


def _unusable_masks(images: Listing, masks: Listing, pairing: Pairing, folder: FolderSettings) -> dict[str, Problem]:
    """The problem of each image without a mask that has a file of its stem in the place of masks."""
    files: dict[str, list[str]] = defaultdict(list)
    for file, reason in masks.left_out.items():
        if reason in (BROKEN, NO_FILE) or reason.startswith(ENDING):
            core = mask_core(file, folder)
            if core is not None:
                files[core].append(file)
    if not files:
        return {}
    alike: dict[str | None, list[str]] = defaultdict(list)
    for image in images.files:
        alike[image_core(image, folder)].append(image)
    found = {}
    for core, members in alike.items():
        for image in members:
            place = images.folders[os.path.dirname(image)]
            alone = len(members) == 1
            near = [f for f in files.get(core or "", ()) if alone or masks.folders[os.path.dirname(f)] == place]
            if near and not pairing.masks[image] and near[0] != image:
                found[image] = _unusable(near[0], masks.left_out[near[0]], image)
    return found


def _unusable(mask: str, reason: str, image: str) -> Problem:
    if reason in (BROKEN, NO_FILE):
        what = "is a link to a file that does not exist" if reason == BROKEN else "is not a regular file"
        remedy = "restore the mask (fetch it with the tool that keeps the data), or remove the link"
        return Problem(mask, f"{what}; {remedy} if {image} has no mask", f"{what}; {remedy} if its image has no mask")
    ending = reason.removeprefix(f"{ENDING} ")
    what = f"has the ending {ending}, which is not read; save the mask as PNG, or"
    remedy = "name the ending of the masks in data.folder.masks, such as `*.png`, if"
    return Problem(mask, f"{what} {remedy} {image} has no mask", f"{what} {remedy} such images have no mask")


def _official_part(
    root: Path, folder: FolderSettings, samples: Sequence[Sample], split: OfficialSplit, seed: int
) -> list[Sample]:
    """The official part `split` of an undivided folder; the same images, shares and seed give the same parts."""
    labelled = [sample for sample in samples if sample.label is not None]
    if not labelled:
        if samples:
            images, masks = list_part(root, folder, split)
            raise LbtError(
                f"{root}/{folder.masks}: no mask has the stem of an image in {folder.images}: "
                f"{explain_unpaired(root, folder, split, images, masks)}."
            )
        return []
    shares = (1 - folder.val_share - folder.unlabeled_share, folder.val_share, folder.unlabeled_share)
    divided = divide(labelled, [share for share in shares if share], seed)
    if split != "unlabeled":
        return divided[0] if split == "train" else divided[1]
    set_aside = divided[2] if folder.unlabeled_share else []
    return [replace(sample, label=None) for sample in set_aside] + [s for s in samples if s.label is None]
