"""What a command line means by its files: which of them are images, and under which names results are written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lbt.data.images import IMAGE_ENDINGS
from lbt.errors import LbtError

VIDEO_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


def find_images(inputs: Sequence[Path], output: Path) -> list[Path]:
    """The images that `inputs` name, each once, in the order of the inputs.

    A file is taken whatever its name says. A folder stands for all images in it and in its folders, ordered by path,
    without what lies below `output`, so that a second run does not take the first one's results.

    Raises:
        LbtError: an input does not exist, is a video, or is a folder without an image.
    """
    found: dict[Path, Path] = {}
    for given in inputs:
        if given.is_dir():
            images = sorted(
                path
                for path in given.rglob("*")
                if path.suffix.lower() in IMAGE_ENDINGS
                and not path.name.startswith(".")
                and path.is_file()
                and not path.resolve().is_relative_to(output.resolve())
            )
            if not images:
                raise LbtError(
                    f"{given}: holds no image ({', '.join(sorted(IMAGE_ENDINGS))}). Name files or a folder of images."
                )
        elif not given.exists():
            raise LbtError(f"{given}: there is no such file or folder.")
        elif given.suffix.lower() in VIDEO_ENDINGS:
            raise LbtError(
                f"{given}: is a video. Make its frames first, `mkdir frames && ffmpeg -i {given} frames/%06d.png`, and "
                "name the folder `frames`."
            )
        else:
            images = [given]
        for path in images:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def refuse_as_network(path: Path, then: str) -> None:
    """Refuse a folder or an image in the place of a network.

    Args:
        path: what was given as the network.
        then: what comes after the network.

    Raises:
        LbtError: it is one of them.
    """
    if path.is_dir():
        what = "is a folder"
    elif path.suffix.lower() in IMAGE_ENDINGS:
        what = "is an image"
    elif path.suffix.lower() in VIDEO_ENDINGS:
        what = "is a video"
    else:
        return
    raise LbtError(f"{path}: {what}; NETWORK comes first, such as results/default/networks/lbt-seed-0.pt, then {then}.")


def output_names(images: Sequence[Path]) -> list[Path]:
    """A relative path without ending for each image; no two are equal.

    Images of one folder keep their stems. Those of several have their folders before them, from the last that all
    have in common. Where two differ in their ending only, all keep their endings, as in `a.jpg`.
    """
    folder = os.path.commonpath([path.resolve().parent for path in images])
    whole = [path.resolve().relative_to(folder) for path in images]
    stems = [path.with_suffix("") for path in whole]
    # Some file systems take upper case for lower case.
    return stems if len({str(stem).lower() for stem in stems}) == len(stems) else whole
