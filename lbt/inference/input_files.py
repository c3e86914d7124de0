"""The files of a command line: find the images among them, refuse other files, and name the results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from lbt.data.find_files import find_images_below
from lbt.data.images import IMAGE_ENDINGS
from lbt.errors import LbtError
from lbt.inference.existing_networks import describe_networks

VIDEO_ENDINGS = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".webm", ".wmv"),
)


def find_images(inputs: Sequence[Path], output: Path) -> list[Path]:
    """The images of `inputs`, each once, in the order of the inputs.

    A file counts as an image whatever its name is. A folder stands for all images at any depth, ordered by path,
    without hidden files and folders. Images below `output` are left out, so that a second run does not read the results
    of the first.

    Raises:
        LbtError: an input does not exist, is a video, or is a folder without an image.
    """
    found: dict[Path, Path] = {}
    for place in inputs:
        if place.is_dir():
            written = os.path.realpath(output)
            listed = find_images_below(place)
            images = [path for path in listed if not Path(os.path.realpath(path)).is_relative_to(written)]
            if listed and not images:
                raise LbtError(
                    f"{place}: all its images lie below --output {output} and count as results of an earlier run. "
                    "Choose another folder with --output."
                )
            if not images:
                raise LbtError(
                    f"{place}: holds no image ({', '.join(sorted(IMAGE_ENDINGS))}). Name files or a folder of images."
                )
        elif not place.exists():
            raise LbtError(f"{place}: there is no such file or folder.")
        elif place.suffix.lower() in VIDEO_ENDINGS:
            raise LbtError(
                f"{place}: is a video. Make its frames first, `mkdir frames && ffmpeg -i {quote(str(place))} "
                "frames/%06d.png`, and name the folder `frames`."
            )
        else:
            images = [place]
        for path in images:
            found.setdefault(Path(os.path.realpath(path)), path)
    return list(found.values())


def refuse_as_network(path: Path, then: str) -> None:
    """Refuse a missing file, a folder, an image or a video as the network of a command.

    Args:
        path: the first argument of the command.
        then: the arguments that come after the network, for the message.

    Raises:
        LbtError: the path is one of them.
    """
    if path.is_dir():
        kind = "is a folder"
    elif not path.exists():
        kind = "is missing"
    elif path.suffix.lower() in IMAGE_ENDINGS:
        kind = "is an image"
    elif path.suffix.lower() in VIDEO_ENDINGS:
        kind = "is a video"
    else:
        return
    existing = "" if path.exists() else f" {describe_networks()}"
    raise LbtError(
        f"{path}: {kind}; NETWORK comes first, such as results/default/networks/lbt-seed-0.pt, then {then}.{existing}"
    )


def refuse_as_folder(path: Path) -> None:
    """Refuse a file, a broken link, and the name of an image, as the folder of the results.

    Raises:
        LbtError: the path is one of them.
    """
    if path.is_symlink() and not path.exists():
        raise LbtError(f"--output: {path} is a link that leads nowhere. Remove it, or name another folder.")
    if path.exists() and not path.is_dir():
        raise LbtError(f"--output: {path} is a file. Name a folder for the results, such as predictions.")
    if path.suffix.lower() in IMAGE_ENDINGS and not path.exists():
        raise LbtError(
            f"--output: {path} is the name of an image, but the results are a folder of several files. Name a folder, "
            f"such as {path.with_suffix('')}."
        )


def output_names(images: Sequence[Path]) -> list[Path]:
    """A distinct relative path for each image, without its ending if possible.

    The paths are relative to the deepest folder that contains all images. If two images differ in their ending only,
    all keep their endings, as in `a.jpg`.
    """
    folder = os.path.commonpath([path.resolve().parent for path in images])
    paths = [path.resolve().relative_to(folder) for path in images]
    stems = [path.with_suffix("") for path in paths]
    # Some file systems do not distinguish upper from lower case.
    return stems if len({str(stem).lower() for stem in stems}) == len(stems) else paths
