"""The files of a command line: find the network, images and videos among them, and refuse other files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lbt.data.find_files import BROKEN, ENDING, PICTURE_ENDINGS, UNREADABLE, find_files, find_images_below
from lbt.data.images import IMAGE_ENDINGS
from lbt.errors import LbtError
from lbt.inference.existing_networks import describe_networks
from lbt.inference.result_names import name_results

NETWORK_ENDINGS = (".pt", ".onnx")
LEAST_SIDE, MOST_SIDE = 32, 16384
"""Pixels of an image's height and width."""
FOREIGN_ENDINGS = (".ckpt", ".engine", ".h5", ".keras", ".mlmodel", ".pb", ".pkl", ".pth", ".safetensors", ".tflite")
"""Endings of networks of other programs, which are neither networks of lbt nor images."""
VIDEO_ENDINGS = (
    *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"),
    *(".webm", ".wmv"),
)


def is_video(path: Path) -> bool:
    """Whether a file is a video by its name."""
    return path.suffix.lower() in VIDEO_ENDINGS


def split_network(paths: Sequence[Path]) -> tuple[Path | None, list[Path]]:
    """The network of a command line, if its first path has the ending of one, and the other paths.

    Raises:
        LbtError: the network is missing or a folder, or stands behind other paths; a path has the ending of a network
            of another program.
    """
    foreign = next((path for path in paths if path.suffix.lower() in FOREIGN_ENDINGS and not path.is_dir()), None)
    if foreign is not None:
        raise LbtError(
            f"{foreign}: is no network of lbt, whose files end in {' or '.join(NETWORK_ENDINGS)}, and no image. Name "
            "such a network, or rename the file if it is one."
        )
    misplaced = next(filter(_is_network, paths[1:]), None)
    if misplaced is not None:
        raise LbtError(f"{misplaced}: is a network; NETWORK comes first, one alone, then the images.")
    if not paths or not _is_network(paths[0]):
        return None, list(paths)
    refuse_as_network(paths[0], "the images")
    return paths[0], list(paths[1:])


def _is_network(path: Path) -> bool:
    return path.suffix.lower() in NETWORK_ENDINGS


def find_inputs(inputs: Sequence[Path], output: Path) -> dict[Path, Path]:
    """The images and videos of `inputs`, each once, in the order of the inputs, and what to call their results.

    A file counts as an image, whatever its name is, unless it has the ending of a video. A folder stands for all images
    at any depth, ordered by path, without hidden files and folders. Images below `output` are left out, so that a
    second run does not read the results of the first.

    Returns:
        File -> relative path of its results without ending; see `lbt.inference.result_names.name_results`.

    Raises:
        LbtError: an input does not exist, or is a folder without an image.
    """
    found: dict[Path, tuple[Path, Path | None]] = {}
    for place in inputs:
        folder = place if place.is_dir() else None
        for path in [place] if folder is None else _find_below(folder, output):
            if not path.exists():
                raise LbtError(f"{path}: there is no such image, video or folder.")
            found.setdefault(Path(os.path.realpath(path)), (path, folder))
    return name_results(list(found.values()), several=len(inputs) > 1)


def _find_below(folder: Path, output: Path) -> list[Path]:
    written = os.path.realpath(output)
    listed = find_images_below(folder)
    images = [path for path in listed if not Path(os.path.realpath(path)).is_relative_to(written)]
    if listed and not images:
        raise LbtError(
            f"{folder}: all its images lie below --output {output} and count as results of an earlier run. "
            "Choose another folder with --output."
        )
    if not images:
        raise LbtError(
            f"{folder}: holds no image ({', '.join(sorted(IMAGE_ENDINGS))}). Name a folder of images, or files; each "
            "video is named by itself."
        )
    return images


def describe_left_out(inputs: Sequence[Path]) -> list[str]:
    """Sentences on the pictures that the folders among the inputs hold and that are not read."""
    endings, others = Counter[str](), []
    for folder in filter(Path.is_dir, inputs):
        for file, reason in sorted(find_files(folder, "**/*").left_out.items()):
            ending = Path(file).suffix.lower()
            if reason.startswith(ENDING) and ending in PICTURE_ENDINGS:
                endings[ending] += 1
            elif reason == UNREADABLE or (reason == BROKEN and ending in IMAGE_ENDINGS):
                others.append(f"left out: {folder / file} ({reason})")
    if not endings:
        return others
    kinds = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
    return [
        f"{endings.total()} picture(s) of folders are left out, because their endings are not read ({kinds}); convert "
        "them to JPEG or PNG",
        *others,
    ]


def require_sides(size: tuple[int, int]) -> None:
    """Refuse a height and width that no network here takes; they are those of the setting `latency.input_size`.

    Raises:
        LbtError: a side is too small or too large.
    """
    if min(size) < LEAST_SIDE or max(size) > MOST_SIDE:
        raise LbtError(f"--size: is {size[0]} {size[1]}; write a height and a width from {LEAST_SIDE} to {MOST_SIDE}.")


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
    elif is_video(path):
        kind = "is a video"
    else:
        return
    existing = "" if path.exists() else f" {describe_networks()}"
    raise LbtError(
        f"{path}: {kind}; NETWORK comes first, such as results/default/best/network.pt, then {then}.{existing}"
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
