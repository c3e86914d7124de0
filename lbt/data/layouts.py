"""The samples of a data set: which mask and which group belong to each image, in either layout."""

from __future__ import annotations

from pathlib import Path

from lbt.config import DataSettings, OfficialSplit
from lbt.data.cityscapes_layout import find_cityscapes_orphans, scan_cityscapes
from lbt.data.folder_layout import find_folder_orphans, scan_folder
from lbt.data.names import select_named
from lbt.data.problems import Problem, fold
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
        more = [f"and {len(lines) - _LISTED} more; `lbt check` lists all"] if len(lines) > _LISTED else []
        raise LbtError(*lines[:_LISTED], *more)
    return samples


def scan(data: DataSettings, split: OfficialSplit, seed: int = 0) -> tuple[list[Sample], list[Problem]]:
    """List an official part and every problem of its file names.

    Returns:
        The usable samples, sorted by id, and the problems, sorted by file.

    Raises:
        LbtError: the root is missing, `data.folder.group` is not a usable regular expression, or an undivided folder
            has too few images to divide.
    """
    root = Path(data.root)
    if not root.is_dir():
        remedy = "unpack it and name the folder" if root.is_file() else "put the data set there or correct the setting"
        raise LbtError(f"data.root: {root} is not a folder; {remedy}.")
    if data.folder is None:
        samples, problems = scan_cityscapes(root, data, split)
    else:
        samples, problems = scan_folder(root, data.folder, split, seed)
    samples, unnamed = select_named(samples)
    return sorted(samples), sorted(problems + unnamed)


def find_orphan_masks(data: DataSettings) -> list[Problem]:
    """List the masks of train and val without an image.

    Masks of a part without any image, or of a part where no mask has one, are not listed: they share one cause.
    """
    root = Path(data.root)
    return find_cityscapes_orphans(root) if data.folder is None else find_folder_orphans(root, data.folder)
