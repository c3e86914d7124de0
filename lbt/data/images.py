"""Image and mask files: find, decode and write them, with errors that name the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lbt.errors import LbtError
from lbt.files import atomic_path

IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_COLORED = ("RGB", "RGBA")
IMAGE_MODES = ("L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
MASK_MODES = ("L", "P")
_LISTED = 5


class UnknownColors(LbtError):
    """A mask holds colours that stand for nothing; `counts` has the number of pixels of each, the largest first."""

    def __init__(self, message: str, counts: Mapping[tuple[int, int, int], int] = MappingProxyType({})) -> None:
        super().__init__(message)  # alone, as loader processes hand an error on
        self.counts = counts


def glob_images(root: Path, pattern: str) -> list[str]:
    """Images below `root` that match a pattern, as sorted relative paths without hidden files."""
    try:
        found = list(root.glob(pattern))
    except (NotImplementedError, ValueError) as error:  # what pathlib raises for an absolute and for an empty pattern
        raise LbtError(
            f"data.folder: {pattern} is no pattern below {root} ({error}). Write it relative to data.root, such as "
            "`{split}/*`."
        ) from error
    return sorted(
        path.relative_to(root).as_posix()
        for path in found
        if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".") and path.is_file()
    )


def read_image(path: Path | str) -> np.ndarray:
    """Decode an image.

    Returns:
        uint8 array of shape (H, W, 3), red, green and blue from 0 to 255.

    Raises:
        LbtError: the file is missing, unreadable, truncated or not an 8-bit image.
    """
    with _opened(path) as image:
        if image.mode not in IMAGE_MODES:
            raise LbtError(f"{path}: is an image of mode {image.mode}; save it with 8 bits a channel.")
        return np.array(image.convert("RGB"))


def image_size(path: Path | str) -> tuple[int, int]:
    """Height and width in pixels of what `read_image` returns, from the file's header: pixels are not decoded.

    Raises:
        LbtError: the file is missing, or its header is unreadable.
    """
    with _opened(path, whole=False) as image:
        return image.height, image.width


def read_photograph(path: Path | str) -> np.ndarray:
    """Decode an image that stands for itself, as a viewer shows it.

    A camera that was held upright writes the picture lying and says so beside it; here it is turned upright. Images
    of a data set are not turned (`read_image`): their masks lie as their pixels do.

    Returns:
        uint8 array of shape (H, W, 3), red, green and blue from 0 to 255.

    Raises:
        LbtError: as for `read_image`.
    """
    with _opened(path) as image:
        try:
            return upright_rgb(image)
        except ValueError as error:
            raise LbtError(f"{path}: {error}") from error


def upright_rgb(image: Image.Image) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of an image, upright; transparency is left out.

    Raises:
        ValueError: it has more than 8 bits a channel: which of its values is white is not known.
    """
    if image.mode not in IMAGE_MODES:
        raise ValueError(f"is an image of mode {image.mode}; save it with 8 bits a channel.")
    return np.array(ImageOps.exif_transpose(image).convert("RGB"))


def read_mask(path: Path | str, codes: Mapping[tuple[int, int, int], int] | None = None) -> np.ndarray:
    """Decode a mask; of a palette image the indices are taken.

    Args:
        path: the file.
        codes: for masks that hold colours, the mask value of each colour (red, green, blue); the colours of a palette
            image count then. None for masks that hold values.

    Returns:
        uint8 array of shape (H, W) of mask values.

    Raises:
        LbtError: the file is missing, unreadable or truncated; without `codes`, it has more than one channel or other
            than 8 bits.
        UnknownColors: with them, it has a colour without a value.
    """
    with _opened(path) as image:
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


def write_png(path: Path, image: Image.Image) -> None:
    """Write an image as PNG, atomically.

    Raises:
        LbtError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def _decode_colors(path: Path | str, pixels: np.ndarray, codes: Mapping[tuple[int, int, int], int]) -> np.ndarray:
    """Mask values (H, W) of colours (H, W, 3)."""
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colors = [tuple(int(code) >> shift & 255 for shift in (16, 8, 0)) for code in found]
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
    return values[places].reshape(pixels.shape[:2])


def _opened(path: Path | str, whole: bool = True) -> Image.Image:
    try:
        image = Image.open(path)
        if whole:
            image.load()
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing; restore it or remove its partner.") from error
    except UnidentifiedImageError as error:  # whose message repeats the path
        raise LbtError(f"{path}: cannot be decoded (no known image format); replace it with a whole copy.") from error
    # Pillow reports a damaged PNG as SyntaxError or ValueError and a truncated file as OSError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LbtError(f"{path}: cannot be decoded ({error}); replace it with a whole copy.") from error
    return image
