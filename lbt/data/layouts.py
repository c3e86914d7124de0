"""The samples of a data set: which mask and which group belong to each image, in either layout."""

from __future__ import annotations

from pathlib import Path

from lbt.config import DataSettings, OfficialSplit
from lbt.data.folder_layout import find_folder_orphans, scan_folder
from lbt.data.images import glob_images
from lbt.data.names import select_named
from lbt.data.problems import Problem, fold, no_image
from lbt.data.sample import Sample
from lbt.errors import LbtError

_LISTED = 10


def list_samples(data: DataSettings, split: OfficialSplit, seed: int = 0) -> list[Sample]:
    """List an official part of the data set, sorted by id.

    Samples of `unlabeled` have no label, and no label file is searched for.

    Args:
        data: the data set.
        split: the part.
        seed: `splits.seed`; it divides the images of an undivided folder into official parts.

    Raises:
        LbtError: the root is missing, the part is empty, or an image has no label or no group.
    """
    samples, problems = scan(data, split, seed)
    if problems:
        lines = fold(problems)
        more = [f"and {len(lines) - _LISTED} more; `python -m lbt check` lists all"] if len(lines) > _LISTED else []
        raise LbtError(*lines[:_LISTED], *more)
    return samples


def scan(data: DataSettings, split: OfficialSplit, seed: int = 0) -> tuple[list[Sample], list[Problem]]:
    """List an official part and every problem of its file names.

    Returns:
        The usable samples, sorted by id, and the problems, sorted by file.

    Raises:
        LbtError: the root is missing, `data.folder.group` is no usable regular expression, or an undivided folder has
            too few images to divide.
    """
    root = Path(data.root)
    if not root.is_dir():
        raise LbtError(f"data.root: {root} is not a folder; put the data set there or correct the setting.")
    if data.folder is None:
        samples, problems = _scan_cityscapes(root, data, split)
    else:
        samples, problems = scan_folder(root, data.folder, split, seed)
    samples, unnamed = select_named(samples)
    return sorted(samples), sorted(problems + unnamed)


def find_orphan_masks(data: DataSettings) -> list[Problem]:
    """List the masks of train and val without an image.

    Masks of a part without any image are not listed, because then the folder of the images is wrong.
    """
    root = Path(data.root)
    if data.folder is not None:
        return find_folder_orphans(root, data.folder)
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
