"""The disk space that the folder of a run takes, and what is free."""

from __future__ import annotations

import shutil
from pathlib import Path

from tqdm import tqdm


def readable(size: float) -> str:
    """A number of bytes in words, such as `1.52 GB`."""
    text = tqdm.format_sizeof(size)
    number = text.rstrip("kMGTPEZ")
    return f"{number} {text.removeprefix(number)}B"


def present_bytes(folder: Path) -> int:
    """Bytes of the files in a folder; a file with two names counts once."""
    found = [path.stat() for path in folder.rglob("*") if path.is_file()]
    return sum({(seen.st_dev, seen.st_ino): seen.st_size for seen in found}.values())


def describe_disk(folder: Path) -> str:
    """What a folder takes and what its disk has free, in words."""
    return f"{readable(present_bytes(folder))} in {folder}, {readable(shutil.disk_usage(folder).free)} free"
