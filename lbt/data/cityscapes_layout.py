"""The Cityscapes layout: leftImg8bit/PART/CITY/ with images, gtFine/PART/CITY/ with masks of label ids."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lbt.config import DataSettings, OfficialSplit
from lbt.data.find_files import BROKEN, Listing, find_files
from lbt.data.pairing import stem_of
from lbt.data.problems import Problem, no_image, shorten
from lbt.data.sample import Sample

IMAGE_END, MASK_END = "_leftImg8bit", "_gtFine_labelIds"
_ARCHIVES = {"leftImg8bit": "leftImg8bit_trainvaltest.zip", "gtFine": "gtFine_trainvaltest.zip"}
_DEPTHS = ("*", "*/*", "*/*/*")


def part_name(data: DataSettings, split: OfficialSplit) -> str:
    """The folder of an official part."""
    return data.unlabeled if split == "unlabeled" else split


def list_part(root: Path, name: str) -> tuple[Listing, Listing]:
    """The images and the masks of a part."""
    return (
        find_files(root, f"leftImg8bit/{name}/*/*{IMAGE_END}.*"),
        find_files(root, f"gtFine/{name}/*/*{MASK_END}.*"),
    )


def scan_cityscapes(root: Path, data: DataSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    """The usable samples of an official part, and the problems of its file names."""
    name = part_name(data, split)
    images, masks = list_part(root, name)
    if not images.files:
        what = f"holds no */*{IMAGE_END}.png: {_explain_missing(root, 'leftImg8bit', name, IMAGE_END)}"
        return [], [no_image(f"{root}/leftImg8bit/{name}", what, split == "unlabeled")]
    if split != "unlabeled" and not masks.files:
        what = f"holds no */*{MASK_END}.png: {_explain_missing(root, 'gtFine', name, MASK_END)}"
        return [], [Problem(f"{root}/gtFine/{name}", what)]
    samples, problems = [], []
    stems, labels = Counter(map(_sample_name, images.files)), {_key(mask): mask for mask in masks.files}
    broken = {_key(file): file for file, why in masks.left_out.items() if why == BROKEN}
    for image in images.files:
        city, stem = key = _key(image)
        if stems[stem] > 1:
            problems.append(Problem(image, f"shares its stem with {stems[stem] - 1} more; rename one"))
        elif split == "unlabeled" or key in labels:
            samples.append(Sample(stem, image, None if split == "unlabeled" else labels[key], city))
        elif key in broken:
            problems.append(Problem(broken[key], "is a link to a file that does not exist; restore the mask"))
        else:
            label = f"gtFine/{name}/{city}/{stem}{MASK_END}.png"
            alike = f"has no label gtFine/{name}/CITY/IMAGE{MASK_END}.png"
            problems.append(Problem(image, f"has no label; expected {label}", alike))
    return samples, problems


def find_cityscapes_orphans(root: Path) -> list[Problem]:
    """The masks of train and val without an image; see `lbt.data.layouts.find_orphan_masks`."""
    problems = []
    for name in ("train", "val"):
        images, masks = list_part(root, name)
        if not images.files:
            continue
        known = {_key(image) for image in images.files}
        for mask in masks.files:
            city, stem = key = _key(mask)
            if key not in known:
                image = f"leftImg8bit/{name}/{city}/{stem}{IMAGE_END}.png"
                problems.append(Problem(mask, f"has no image; expected {image}", "has no image in leftImg8bit"))
    return problems


def _key(file: str) -> tuple[str, str]:
    """City and name of an image or mask."""
    return os.path.basename(os.path.dirname(file)), _sample_name(file)


def _sample_name(file: str) -> str:
    return stem_of(file).removesuffix(IMAGE_END).removesuffix(MASK_END)


def _explain_missing(root: Path, top: str, part: str, end: str) -> str:
    """Why `top`/`part` has no file of its kind, and what to do."""
    place = root / top
    if not place.is_dir():
        return _explain_missing_top(root, top)
    nested = place / top
    if nested.is_dir():
        return f"{nested} is one folder too deep; move its content to {place}"
    if not (place / part).is_dir():
        held = _folders(place)
        if part == "test" and "train_extra" in held:
            return "write `data.unlabeled: train_extra`, or add the part test"
        archive = f"{top}_trainextra.zip" if part == "train_extra" else _ARCHIVES[top]
        return f"{place} holds {shorten(held) if held else 'no folder'}; add the part {part} from {archive}"
    there = find_files(root, f"{top}/{part}/*/*").files
    if not there:
        flat = find_files(root, f"{top}/{part}/*").files
        if flat:
            return f"its images, such as {flat[0]}, lie in no folder of a city; move them to {top}/{part}/CITY/"
        return "it holds no image in a folder of a city; add images, or set data.root to another data set"
    kinds = Counter(name.rpartition("_")[2] for name in map(stem_of, there))
    if top == "gtFine" and kinds.keys() & {"labelTrainIds", "color", "instanceIds"}:
        found = ", ".join(sorted(kinds))
        return f"only masks of other kinds are there ({found}); add the files *{end}.png of {_ARCHIVES[top]}"
    return (
        f"other names are there, such as {there[0]}; rename the files to *{end}.png, or write `data.layout: folder` "
        "with patterns of your own"
    )


def _explain_missing_top(root: Path, top: str) -> str:
    """Where the folder `top` is instead, if it is anywhere near."""
    for above in (root, root.absolute().parent):
        if above.name in _ARCHIVES and (above.parent / top).is_dir():
            return f"data.root is one folder too deep; write `data.root: {above.parent}`"
    found = [path for depth in _DEPTHS for path in sorted(root.glob(f"{depth}/{top}")) if path.is_dir()]
    if found:
        inner = found[0].parent
        if all((inner / name).is_dir() for name in _ARCHIVES):
            return f"the data set lies one folder deeper; write `data.root: {inner}`"
        return f"{found[0]} is not where it is looked for; move it to {root / top}"
    coarse = top == "gtFine" and (root / "gtCoarse").is_dir()
    held = _folders(root)
    there = "only coarse masks (gtCoarse) are there" if coarse else f"{root} holds {shorten(held) or 'no folder'}"
    return f"there is no folder {top}; {there}; unzip {_ARCHIVES[top]} in {root}, or write `data.layout: folder`"


def _folders(place: Path) -> Sequence[str]:
    return sorted(entry.name for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith("."))
