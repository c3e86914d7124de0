"""The disk space that the folder of a run takes, and what is free."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from tqdm import tqdm

readable = partial(tqdm.format_sizeof, suffix="B")


def present_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; a file with two names counts once."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({(seen.st_dev, seen.st_ino): seen.st_size for seen in found}.values())


def describe_disk(folder: Path) -> str:
    """What a folder takes and what its disk has free, in words."""
    return f"{readable(present_bytes(folder))} in {folder}, {readable(shutil.disk_usage(folder).free)} free"
