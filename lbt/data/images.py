"""Images: find their files, decode them upright, and write them, with errors that name the file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image

from lbt.data.image_file import MAX_PIXELS, ImageFacts, load_upright, open_image, read_orientation, turn
from lbt.errors import LbtError
from lbt.files import atomic_path

IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
IMAGE_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")


def glob_images(root: Path, pattern: str) -> list[str]:
    """Images below `root` that match a pattern, as sorted relative paths without hidden files."""
    try:
        found = list(root.glob(pattern))
    except (NotImplementedError, ValueError) as error:  # pathlib: an absolute and an empty pattern
        raise LbtError(
            f"data.folder: {pattern} is not a pattern below {root} ({error}). Write it relative to data.root, such as "
            "`{split}/*`."
        ) from error
    return sorted(
        path.relative_to(root).as_posix()
        for path in found
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".") and path.is_file()
    )


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame 9 before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def read_image(path: Path | str, max_pixels: int = MAX_PIXELS, key: str = "data.max_pixels") -> np.ndarray:
    """Decode a photograph as a viewer shows it: one that is marked as turned (EXIF) is turned upright.

    Transparency is dropped, and colour profiles are not applied. Data set, labelling and prediction read alike.

    Args:
        path: the file.
        max_pixels: the most pixels that it may have.
        key: the name of that limit, for messages.

    Returns:
        uint8 array of shape (H, W, 3), red, green and blue from 0 to 255.

    Raises:
        LbtError: the file is missing, unreadable, truncated or too large, has several frames, or is no image with at
            most 8 bits a channel.
    """
    return read_photograph(path, max_pixels, key)[0]


def read_photograph(
    path: Path | str, max_pixels: int = MAX_PIXELS, key: str = "data.max_pixels"
) -> tuple[np.ndarray, ImageFacts]:
    """Decode a photograph, and return what its file says about itself; see `read_image`."""
    with open_image(path, max_pixels, key) as (image, facts):
        refuse_frames(path, facts)
        problem = _problem(facts.mode, facts.white, facts.signed)
        if problem:
            raise LbtError(f"{path}: {problem}.")
        return _rgb(load_upright(path, image, facts)), facts


def read_facts(path: Path | str, max_pixels: int = MAX_PIXELS) -> ImageFacts:
    """What an image file says about itself; its pixels are not decoded.

    Raises:
        LbtError: the file is missing or too large, or its header is unreadable.
    """
    with open_image(path, max_pixels) as (_, facts):
        return facts


def refuse_frames(path: Path | str, facts: ImageFacts) -> None:
    """Refuse a file of several pages or frames, of which a reader would silently take the first."""
    if facts.frames > 1:
        raise LbtError(f"{path}: holds {facts.frames} pages or frames; save each as a file of its own.")


def upright_rgb(image: Image.Image) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of a Pillow image, turned upright and without transparency.

    Raises:
        ValueError: it has more than 8 bits a channel, so that its white value is unknown.
    """
    problem = _problem(image.mode)
    if problem:
        raise ValueError(problem)
    image.load()  # by which Pillow turns a TIFF
    return _rgb(turn(image, read_orientation(image)))


def write_png(path: Path, image: Image.Image) -> None:
    """Write an image as PNG, atomically.

    Raises:
        LbtError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def _problem(mode: str, white: int = 255, signed: bool = False) -> str:
    """Why the white value of an image is unknown; empty if it is known."""
    if signed:
        return f"is an image of mode {mode} with signed values; save it with 8 bits a channel, from 0 to 255"
    if mode not in IMAGE_MODES or white > 255:
        bits = f" with {white.bit_length()} bits a channel" if white > 255 else ""
        return f"is an image of mode {mode}{bits}; save it with 8 bits a channel"
    return ""


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "P" and "transparency" in image.info:
        image = image.copy()  # Pillow would warn that transparency is lost
        del image.info["transparency"]
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
