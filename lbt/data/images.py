"""Image and mask files: decode and write them, with errors that name the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lbt.config import Color
from lbt.data.classes import ClassTable
from lbt.errors import LbtError
from lbt.files import atomic_path

IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_COLORED = ("RGB", "RGBA")
IMAGE_MODES = ("L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
MASK_MODES = ("L", "P")
_LISTED = 5


class UnknownColors(LbtError):
    """A mask holds colours that stand for nothing; `counts` has the number of pixels of each, the largest first."""

    def __init__(self, message: str, counts: Mapping[int | Color, int] = MappingProxyType({})) -> None:
        # The message alone is in `args`, from which a loader process makes the error again.
        super().__init__(message)
        self.counts = counts


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame 9 before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def read_image(path: Path | str) -> np.ndarray:
    """Decode an image.

    Returns:
        uint8 array of shape (H, W, 3), red, green and blue from 0 to 255.

    Raises:
        LbtError: the file is missing, unreadable, truncated or not an 8-bit image.
    """
    with _open(path) as image:
        if image.mode not in IMAGE_MODES:
            raise LbtError(f"{path}: is an image of mode {image.mode}; save it with 8 bits a channel.")
        return np.array(image.convert("RGB"))


def image_size(path: Path | str) -> tuple[int, int]:
    """Height and width in pixels of an image, from the file's header: pixels are not decoded.

    Raises:
        LbtError: the file is missing, or its header is unreadable.
    """
    with _open(path, whole=False) as image:
        return image.height, image.width


def read_photograph(path: Path | str) -> np.ndarray:
    """Decode a single photograph as a viewer shows it.

    If the file's EXIF data say that the camera was turned, the photograph is turned upright. Images of a data set are
    not turned (`read_image`), because their masks have the orientation of the stored pixels.

    Returns:
        uint8 array of shape (H, W, 3), red, green and blue from 0 to 255.

    Raises:
        LbtError: as for `read_image`.
    """
    with _open(path) as image:
        try:
            return upright_rgb(image)
        except ValueError as error:
            raise LbtError(f"{path}: {error}") from error


def upright_rgb(image: Image.Image) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of an image, turned upright and without transparency.

    Raises:
        ValueError: it has more than 8 bits a channel, so that its white value is unknown.
    """
    if image.mode not in IMAGE_MODES:
        raise ValueError(f"is an image of mode {image.mode}; save it with 8 bits a channel.")
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def read_mask(path: Path | str, codes: Mapping[Color, int] | None = None) -> np.ndarray:
    """Decode a mask.

    Args:
        path: the file.
        codes: the mask value of each colour, for masks that hold colours; a palette image is then read by its colours.
            None for masks that hold values; a palette image is then read by its indices.

    Returns:
        uint8 array of shape (H, W) of mask values.

    Raises:
        LbtError: the file is missing, unreadable or truncated; without `codes`, it has not one channel of 8 bits.
        UnknownColors: with `codes`, it has a colour without a value.
    """
    with _open(path) as image:
        if codes is not None:
            if image.mode not in IMAGE_MODES:
                raise LbtError(f"{path}: is a mask of mode {image.mode}; save red, green and blue with 8 bits each.")
            return _decode_colors(path, np.array(image.convert("RGB")), codes)
        if image.mode not in MASK_MODES:
            channels = len(image.getbands())
            found = f"is a mask of mode {image.mode}" + (f" ({channels} channels)" if channels > 1 else "")
            colors = ", or write `data.folder.mask_values: color` if it holds the classes' colours"
            raise LbtError(
                f"{path}: {found}; save one channel of 8 bits that holds the class ids"
                f"{colors if image.mode in _COLORED else ''}."
            )
        return np.array(image)


def read_label(path: Path | str, table: ClassTable) -> np.ndarray:
    """Decode a mask to class indices.

    Returns:
        uint8 array of shape (H, W) of class indices and `IGNORE`.

    Raises:
        LbtError: a value is not in the table; see also `read_mask`.
    """
    mask = read_mask(path, table.codes)
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist()
    unknown = sorted(set(present) - table.known)
    if unknown:
        raise LbtError(
            f"{path}: holds the mask values {unknown}, which no class and no ignored id has; "
            "correct the mask or the classes in the settings."
        )
    return table.lut[mask]


def write_png(path: Path, image: Image.Image) -> None:
    """Write an image as PNG, atomically.

    Raises:
        LbtError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def _decode_colors(path: Path | str, pixels: np.ndarray, codes: Mapping[Color, int]) -> np.ndarray:
    """Mask values (H, W) of colours (H, W, 3)."""
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, indices, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colors: list[Color] = [(int(code) >> 16, int(code) >> 8 & 255, int(code) & 255) for code in found]
    unknown = sorted((-int(count), color) for color, count in zip(colors, counts, strict=True) if color not in codes)
    if unknown:
        shown = ", ".join(f"{list(color)} ({-count} pixels)" for count, color in unknown[:_LISTED])
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise UnknownColors(
            f"{path}: holds colours outside the table: {shown}{more}; correct the colours of data.folder.classes, add "
            "them to data.folder.ignore_colors, or save the mask without compression losses and smoothed edges.",
            {color: -count for count, color in unknown},
        )
    values = np.array([codes[color] for color in colors], np.uint8)
    return values[indices].reshape(pixels.shape[:2])


def _open(path: Path | str, whole: bool = True) -> Image.Image:
    try:
        image = Image.open(path)
        if whole:
            image.load()
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing; restore it or remove its partner.") from error
    except UnidentifiedImageError as error:  # its message repeats the path
        raise LbtError(f"{path}: cannot be decoded (no known image format); replace it with a whole copy.") from error
    # Pillow reports a damaged PNG as SyntaxError or ValueError and a truncated file as OSError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LbtError(f"{path}: cannot be decoded ({error}); replace it with a whole copy.") from error
    return image
