"""Reading of images and masks from files, with errors that name the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lbt.errors import LbtError

IMAGE_MODES = ("L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
MASK_MODES = ("L", "P")


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


def read_mask(path: Path | str) -> np.ndarray:
    """Decode a mask; of a palette image the indices are taken.

    Returns:
        uint8 array of shape (H, W) of mask values.

    Raises:
        LbtError: the file is missing, unreadable or truncated, or has more than one channel or 8 bits.
    """
    with _opened(path) as image:
        if image.mode not in MASK_MODES:
            raise LbtError(
                f"{path}: is a mask of mode {image.mode} ({len(image.getbands())} channels); "
                "save one 8-bit channel that holds the class ids."
            )
        return np.array(image)


def _opened(path: Path | str) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing; restore it or remove its partner.") from error
    # Pillow reports a damaged PNG as SyntaxError or ValueError and a truncated file as OSError.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise LbtError(f"{path}: cannot be decoded ({error}); replace it with a whole copy.") from error
    return image
