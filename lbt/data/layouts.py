"""Files of a data set: which image belongs to which label and to which group."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from lbt.config import DataSettings, FolderSettings
from lbt.data.division import divide
from lbt.data.sample import Sample
from lbt.errors import LbtError

OfficialSplit = Literal["train", "val", "unlabeled"]
OFFICIAL_SPLITS: tuple[OfficialSplit, ...] = get_args(OfficialSplit)
IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_LISTED = 10


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong with a data set: the file or the key of the settings, and what is wrong."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def list_samples(data: DataSettings, split: OfficialSplit) -> list[Sample]:
    """List an official part of the data set, sorted by id.

    Samples of `unlabeled` carry no label, and no label file is looked for.

    Raises:
        LbtError: the root is missing, the part is empty, an image has no label or its group cannot be told.
    """
    samples, problems = scan(data, split)
    if problems:
        lines = [str(problem) for problem in problems[:_LISTED]]
        if len(problems) > _LISTED:
            lines.append(f"and {len(problems) - _LISTED} more; `python -m lbt check` lists all")
        raise LbtError("\n".join(lines))
    return samples


def scan(data: DataSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    """List an official part together with everything that is wrong with its file names.

    Returns:
        The samples that are in order, sorted by id, and the problems, sorted by file.

    Raises:
        LbtError: the root is missing or `data.folder.group` is no usable regular expression.
    """
    root = Path(data.root)
    if not root.is_dir():
        raise LbtError(f"data.root: {root} is not a folder; put the data set there or correct the setting.")
    if data.folder is None:
        samples, problems = _scan_cityscapes(root, data, split)
    else:
        samples, problems = _scan_folder(root, data.folder, split)
    return sorted(samples), sorted(problems)


def orphan_masks(data: DataSettings) -> list[Problem]:
    """List the masks of train and val that no image of the data set belongs to."""
    root = Path(data.root)
    problems = []
    if data.folder is None:
        masks = [mask for split in ("train", "val") for mask in _glob(root, f"gtFine/{split}/*/*_gtFine_labelIds.png")]
        for mask in masks:
            image = mask.replace("gtFine/", "leftImg8bit/", 1).replace("_gtFine_labelIds", "_leftImg8bit")
            if not (root / image).is_file():
                problems.append(Problem(mask, f"has no image; expected {image}"))
        return problems
    folder = data.folder
    masks = sorted({mask for split in ("train", "val") for mask in _masks(root, folder, split)})
    # One folder of masks may serve all parts, so a mask is an orphan only if no part has its image.
    claimed = set()
    for split in OFFICIAL_SPLITS:
        stems = {Path(image).stem + folder.mask_suffix for image in _images(root, folder, split)}
        claimed.update(mask for mask in _masks(root, folder, split) if Path(mask).stem in stems)
    return [
        Problem(mask, f"has no image of the stem {Path(mask).stem.removesuffix(folder.mask_suffix)}")
        for mask in masks
        if mask not in claimed
    ]


def _scan_cityscapes(root: Path, data: DataSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    name = data.unlabeled if split == "unlabeled" else split
    samples, problems = [], []
    images = _glob(root, f"leftImg8bit/{name}/*/*_leftImg8bit.png")
    if not images:
        problems.append(
            Problem(f"{root}/leftImg8bit/{name}", f"holds no */*_leftImg8bit.png; add images{_needed(split)}")
        )
    for image in images:
        city = Path(image).parent.name
        stem = Path(image).stem.removesuffix("_leftImg8bit")
        label = None
        if split != "unlabeled":
            label = f"gtFine/{name}/{city}/{stem}_gtFine_labelIds.png"
            if not (root / label).is_file():
                problems.append(Problem(image, f"has no label; expected {label}"))
                continue
        samples.append(Sample(stem, image, label, city))
    return samples, problems


def _scan_folder(root: Path, folder: FolderSettings, split: OfficialSplit) -> tuple[list[Sample], list[Problem]]:
    whole = "{split}" not in folder.images
    masks: dict[str, list[str]] = defaultdict(list)
    if split != "unlabeled" or whole:
        for mask in _masks(root, folder, split):
            masks[Path(mask).stem].append(mask)
    samples, problems = [], []
    images = _images(root, folder, split)
    if not images:
        endings = " ".join(sorted(IMAGE_ENDINGS))
        problems.append(
            Problem(
                f"{root}/{_pattern(folder.images, folder, split)}",
                f"matches no image ({endings}); correct data.folder.images{_needed(split)}",
            )
        )
    stems = defaultdict(list)
    for image in images:
        stems[Path(image).stem].append(image)
    expression = _expression(folder.group)
    for image in images:
        stem, label = Path(image).stem, None
        if len(stems[stem]) > 1:
            problems.append(Problem(image, f"shares its stem with {len(stems[stem]) - 1} more; rename one"))
            continue
        found = masks[stem + folder.mask_suffix]
        if len(found) > 1:
            problems.append(Problem(image, f"has {len(found)} labels: {', '.join(found)}"))
            continue
        if not found and split != "unlabeled" and not whole:
            expected = f"{stem}{folder.mask_suffix} in {_pattern(folder.masks, folder, split)}"
            problems.append(Problem(image, f"has no label; expected {expected}"))
            continue
        label = found[0] if found else None
        match = expression.search(stem)
        if match is None or match[1] is None:
            problems.append(Problem(image, f"its stem does not match data.folder.group {folder.group!r}"))
            continue
        samples.append(Sample(image.removesuffix(Path(image).suffix), image, label, match[1] or "all"))
    samples = _cut_groups(samples, folder.stretch)
    return (_official_part(root, folder, samples, split) if whole else samples), problems


def _official_part(root: Path, folder: FolderSettings, samples: list[Sample], split: OfficialSplit) -> list[Sample]:
    """The official part `split` of images that lie together; the same images and shares give the same parts."""
    labelled = [sample for sample in samples if sample.label is not None]
    if not labelled:
        if samples:
            raise LbtError(
                f"{root}/{folder.masks}: no mask has the stem of an image below {folder.images}; correct "
                "data.folder.masks or data.folder.mask_suffix."
            )
        return []
    shares = (1 - folder.val_share - folder.unlabeled_share, folder.val_share, folder.unlabeled_share)
    divided = divide(labelled, [share for share in shares if share], seed=0)
    if split != "unlabeled":
        return divided[0] if split == "train" else divided[1]
    set_aside = divided[2] if folder.unlabeled_share else []
    return [replace(sample, label=None) for sample in set_aside] + [s for s in samples if s.label is None]


def _needed(split: OfficialSplit) -> str:
    return ": methods that teach, such as lbt, need unlabelled images" if split == "unlabeled" else ""


def _images(root: Path, folder: FolderSettings, split: OfficialSplit) -> list[str]:
    images = _glob(root, _pattern(folder.images, folder, split))
    if not folder.mask_suffix:
        return images
    # Masks may lie beside the images, where the pattern of the images finds them too.
    beside = set(_masks(root, folder, split))
    return [image for image in images if image not in beside]


def _masks(root: Path, folder: FolderSettings, split: OfficialSplit) -> list[str]:
    masks = _glob(root, _pattern(folder.masks, folder, split))
    return [mask for mask in masks if Path(mask).stem.endswith(folder.mask_suffix)]


def _pattern(pattern: str, folder: FolderSettings, split: OfficialSplit) -> str:
    return pattern.replace("{split}", folder.splits[split])


def _expression(group: str) -> re.Pattern[str]:
    try:
        expression = re.compile(group)
    except re.error as error:
        raise LbtError(f"data.folder.group: {group!r} is not a regular expression ({error}); correct it.") from error
    if expression.groups < 1:
        raise LbtError(f"data.folder.group: {group!r} has no group; put round brackets around the part that names it.")
    return expression


def _cut_groups(samples: Iterable[Sample], stretch: int) -> list[Sample]:
    """Cut each group into `stretch` runs of neighbouring images whose lengths differ by one at most."""
    if stretch == 1:
        return list(samples)
    groups = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    cut = []
    for group, members in groups.items():
        members.sort(key=lambda sample: _natural(sample.id))
        runs = min(stretch, len(members))
        for place, sample in enumerate(members):
            cut.append(replace(sample, group=f"{group}:{place * runs // len(members)}"))
    return cut


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key under which frame 9 comes before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", text)]


def _glob(root: Path, pattern: str) -> list[str]:
    """Images below `root` that match a pattern, as sorted relative paths; hidden files are left out."""
    try:
        found = list(root.glob(pattern))
    except (NotImplementedError, ValueError) as error:
        raise LbtError(
            f"data.folder: {pattern} is no pattern below {root} ({error}). Write it relative to data.root, such as "
            "`{split}/*`."
        ) from error
    return sorted(
        path.relative_to(root).as_posix()
        for path in found
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".") and path.is_file()
    )
