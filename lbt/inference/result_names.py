"""What the results of each image and video are called, so that folders keep their structure and no two names meet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def name_results(found: Sequence[tuple[Path, Path | None]], *, several: bool) -> dict[Path, Path]:
    """A distinct relative path for each file, without its ending if possible.

    A named file has its own name. A file of a named folder has its path below that folder; with several inputs the
    name of the folder comes before it. Where two names would be equal, or one the folder of another, all files keep
    their endings, as in `a.jpg`. If that is not enough, paths begin at the deepest folder that contains all files.

    Args:
        found: each file, and the folder by which it was found; None for a file that was named itself.
        several: whether there is more than one input.
    """
    files = [file for file, _ in found]
    short = [_short_name(file, folder, several) for file, folder in found]
    if not files:
        return {}
    top = os.path.commonpath([file.resolve().parent for file in files])
    long = [file.resolve().relative_to(top) for file in files]
    choices = [names for whole in (short, long) for names in ([name.with_suffix("") for name in whole], whole)]
    return dict(zip(files, next((names for names in choices if _are_distinct(names)), long), strict=True))


def _short_name(file: Path, folder: Path | None, several: bool) -> Path:
    if folder is None:
        return Path(file.name)
    below = file.relative_to(folder)
    return folder.resolve().name / below if several else below


def _are_distinct(names: Sequence[Path]) -> bool:
    """Whether no two names are equal and none is a folder of another; some file systems do not distinguish case."""
    lower = [Path(str(name).lower()) for name in names]
    return len(set(lower)) == len(lower) and not {outer for name in lower for outer in name.parents} & set(lower)
