"""Images: open files of the listed formats alone, decode them upright, write them; errors name the file."""

from __future__ import annotations

import os
import re
import stat
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from lbt.config import DataSettings
from lbt.data.image_facts import ImageFacts, PngChunks, gather_facts, is_lossy_webp, read_orientation, turn
from lbt.errors import LbtError
from lbt.files import atomic_path

IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
IMAGE_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
MAX_PIXELS: int = DataSettings.model_fields["max_pixels"].default

# `Image.open` would also try formats that start other programs (EPS) and warn of large images by itself.
_FORMATS: tuple[tuple[re.Pattern[bytes], type[ImageFile.ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), JpegImageFile),  # also MPO: its first picture is the photograph
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), WebPImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    (re.compile(rb"BM"), BmpImageFile),
    (re.compile(rb"P[1-6f]\s"), PpmImageFile),
)

_AGAIN = "replace it with a whole copy"
_CONVERT = "save it as PNG or JPEG"
_FRAMES = "make its frames first, such as with ffmpeg, and use them"
_KINDS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\Z", "empty", _AGAIN),
    (rb"version https://git-lfs", "a pointer of Git LFS", "fetch the file with `git lfs pull`"),
    (rb"GIF8", "a GIF", _CONVERT),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript", _CONVERT),
    (rb"%PDF", "a PDF", _CONVERT),
    (rb"....ftyp(avif|avis)", "AVIF", _CONVERT),
    (rb"....ftyp(heic|heix|hevc|mif1|msf1)", "HEIC", _CONVERT),
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba|G.{187}G", "a video", _FRAMES),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000", _CONVERT),
    (rb"icns|8BPS|\0\0\x01\0|DDS |v/1\x01|#\?RADIANCE|gimp xcf", "an image of another format", _CONVERT),
    (rb"\x89HDF|\x93NUMPY", "an array", _CONVERT),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!", "an archive", "unpack it"),
    (rb"\s*<(!doctype|html|\?xml|svg)", "a page of HTML or XML", _AGAIN),
)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame 9 before frame 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


@contextmanager
def open_image(
    path: Path | str, max_pixels: int = MAX_PIXELS, key: str = "data.max_pixels"
) -> Iterator[tuple[Image.Image, ImageFacts]]:
    """Open an image file; only what comes before its pixels is read.

    Args:
        path: the file.
        max_pixels: the most pixels that it may have.
        key: the name of that limit, for messages.

    Raises:
        LbtError: the file is missing, unreadable, no plain file, of no listed format, or larger than the limit.
    """
    with _open_file(path) as file:
        start = file.read(16)
        opener = next((opener for magic, opener in _FORMATS if magic.match(start)), None)
        if opener is None:
            found, remedy = _describe_content(file)
            raise LbtError(
                f"{path}: cannot be decoded (it is {found}, and not JPEG, PNG, WebP, TIFF, BMP or PPM); {remedy}."
            )
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's own limit would come first
        with _decoding(path):
            late = PngChunks(file) if opener is PngImageFile else None
            lossy = is_lossy_webp(file) if opener is WebPImageFile else False
            file.seek(0)
            try:
                image = opener(file, str(path))
            except Image.DecompressionBombError as error:
                raise LbtError(f"{path}: {error} Make the image smaller, or raise {key} = {max_pixels}.") from error
            if late is not None and late.exif:
                image.info.setdefault("exif", late.exif)
        width, height = image.size
        if width * height > max_pixels:
            raise LbtError(
                f"{path}: is {width} x {height} pixels (width x height), {width * height / 1e6:.3g} million in all, "
                f"above the limit {key} = {max_pixels}. Make the image smaller, or raise {key}."
            )
        with _decoding(path):
            facts = gather_facts(image, late.white if late else 255, lossy)
        yield image, facts


def load_upright(path: Path | str, image: Image.Image, facts: ImageFacts) -> Image.Image:
    """Decode the pixels of an open image, and turn them upright.

    Raises:
        LbtError: the file is truncated or damaged.
    """
    with _decoding(path):
        image.load()
    return image if isinstance(image, TiffImageFile) else turn(image, facts.orientation)  # Pillow turns a TIFF itself


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
        LbtError: the file is missing, unreadable, truncated or too large, has several frames, or is not an image
            with at most 8 bits a channel.
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


def _open_file(path: Path | str) -> BinaryIO:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
            raise LbtError(f"{path}: is not a plain file; replace it with an image.")
        return open(path, "rb")
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing; restore it or remove its partner.") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise LbtError(f"{path}: could not be read ({getattr(error, 'strerror', None) or error}).") from error


def _describe_content(file: BinaryIO) -> tuple[str, str]:
    """What an open file holds, and what to do, by its first bytes."""
    file.seek(0)
    start = file.read(512)
    for pattern, name, remedy in _KINDS:
        if re.match(pattern, start, re.DOTALL | re.IGNORECASE):
            return name, remedy
    try:
        text = getincrementaldecoder("utf-8")().decode(start).strip()  # the last letter may be cut
    except UnicodeDecodeError:
        text = ""
    if text and all(letter.isprintable() or letter.isspace() for letter in text):
        return "text", "replace it with an image"
    return "unknown data", _AGAIN


@contextmanager
def _decoding(path: Path | str) -> Iterator[None]:
    try:
        yield
    except LbtError:
        raise
    # Pillow has no common error for damaged files: SyntaxError, ValueError, OSError, struct.error and others occur.
    except Exception as error:
        text = str(error).strip(". ") or type(error).__name__
        if "unpack" in text:  # by `struct`, of too few bytes
            text = "its header is cut off"
        raise LbtError(
            f"{path}: cannot be decoded ({text}); replace it with a whole copy, or save it again as PNG."
        ) from error


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
