"""Files of a data set: which image belongs to which label and to which group."""

from __future__ import annotations

from pathlib import Path

from lbt.config import DataSettings, OfficialSplit
from lbt.data.folder_layout import folder_orphans, scan_folder
from lbt.data.images import glob_images
from lbt.data.problems import Problem, fold, no_image
from lbt.data.sample import Sample
from lbt.errors import LbtError

_LISTED = 10


def list_samples(data: DataSettings, split: OfficialSplit, seed: int = 0) -> list[Sample]:
    """List an official part of the data set, sorted by id.

    Samples of `unlabeled` carry no label, and no label file is looked for.

    Args:
        data: the data set.
        split: the part.
        seed: `splits.seed`, by which images that lie together are divided into official parts.

    Raises:
        LbtError: the root is missing, the part is empty, an image has no label or its group cannot be told.
    """
    samples, problems = scan(data, split, seed)
    if problems:
        lines = fold(problems)
        more = [f"and {len(lines) - _LISTED} more; `python -m lbt check` lists all"] if len(lines) > _LISTED else []
        raise LbtError("\n".join(lines[:_LISTED] + more))
    return samples


def scan(data: DataSettings, split: OfficialSplit, seed: int = 0) -> tuple[list[Sample], list[Problem]]:
    """List an official part together with everything that is wrong with its file names.

    Returns:
        The samples that are in order, sorted by id, and the problems, sorted by file.

    Raises:
        LbtError: the root is missing, `data.folder.group` is no usable regular expression, or images that lie together
            are too few to be divided.
    """
    root = Path(data.root)
    if not root.is_dir():
        raise LbtError(f"data.root: {root} is not a folder; put the data set there or correct the setting.")
    if data.folder is None:
        samples, problems = _scan_cityscapes(root, data, split)
    else:
        samples, problems = scan_folder(root, data.folder, split, seed)
    return sorted(samples), sorted(problems)


def orphan_masks(data: DataSettings) -> list[Problem]:
    """List the masks of train and val that no image of the data set belongs to.

    Where a part has no image at all, its masks are left out: not they are wrong, but the place of the images.
    """
    root = Path(data.root)
    if data.folder is not None:
        return folder_orphans(root, data.folder)
    problems = []
    for split in ("train", "val"):
        if not glob_images(root, _images(split)):
            continue
        for mask in glob_images(root, f"gtFine/{split}/*/*_gtFine_labelIds.png"):
            image = mask.replace("gtFine/", "leftImg8bit/", 1).replace("_gtFine_labelIds", "_leftImg8bit")
            if not (root / image).is_file():
                problems.append(Problem(mask, f"has no image; expected {image}", "has no image in leftImg8bit"))
    return problems


def _scan_cityscapes(root: Path, data: DataSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    name = data.unlabeled if split == "unlabeled" else split
    samples, problems = [], []
    images = glob_images(root, _images(name))
    if not images:
        problems.append(
            no_image(f"{root}/leftImg8bit/{name}", "holds no */*_leftImg8bit.png; add images", split == "unlabeled")
        )
    for image in images:
        city = Path(image).parent.name
        stem = Path(image).stem.removesuffix("_leftImg8bit")
        label = None
        if split != "unlabeled":
            label = f"gtFine/{name}/{city}/{stem}_gtFine_labelIds.png"
            if not (root / label).is_file():
                alike = f"has no label gtFine/{name}/CITY/IMAGE_gtFine_labelIds.png"
                problems.append(Problem(image, f"has no label; expected {label}", alike))
                continue
        samples.append(Sample(stem, image, label, city))
    return samples, problems


def _images(name: str) -> str:
    return f"leftImg8bit/{name}/*/*_leftImg8bit.png"
