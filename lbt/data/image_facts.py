"""The facts in the header of an image file, read before its pixels are decoded."""

from __future__ import annotations

import os
import struct
import warnings
from dataclasses import dataclass, replace
from typing import BinaryIO

from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile

# Pillow says of damaged EXIF data, which turn nothing, that it skips them.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")

_LOSSY_TIFF = {"jpeg": "JPEG in TIFF", "tiff_jpeg": "JPEG in TIFF", "webp": "WebP in TIFF"}
_MOST_PAGES = 100
_SWAPPED = (5, 6, 7, 8)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageFacts:
    """What an image file says about itself.

    Attributes:
        mode: Pillow's name of the kind of pixels.
        stored: height and width as stored, in pixels.
        orientation: by EXIF, 1 to 8; 1 for a picture that is stored upright.
        frames: number of pictures, pages or frames.
        white: the largest value of a channel in the file, such as 255 for 8 bits.
        signed: whether the values have a sign.
        white_is_zero: whether a low value is bright, as in fax.
        lossy: the compression that changes pixels, such as `JPEG`; empty for a lossless file.
        palette: red, green and blue of each index of a decoded mask; empty without a palette.
    """

    mode: str
    stored: tuple[int, int]
    orientation: int = 1
    frames: int = 1
    white: int = 255
    signed: bool = False
    white_is_zero: bool = False
    lossy: str = ""
    palette: bytes = b""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the upright picture, in pixels."""
        return turned_size(self.stored, self.orientation)


def gather_facts(image: Image.Image, white: int, lossy_webp: bool) -> ImageFacts:
    facts = ImageFacts(
        mode=image.mode,
        stored=(image.height, image.width),
        orientation=read_orientation(image),
        frames=getattr(image, "n_frames", 1) if not isinstance(image, TiffImageFile) else _count_pages(image),
        white=white,
        lossy="JPEG" if isinstance(image, JpegImageFile) else "lossy WebP" if lossy_webp else "",
    )
    if isinstance(image, TiffImageFile):
        tags = image.tag_v2
        return replace(
            facts,
            stored=(tags[Tag.ImageLength], tags[Tag.ImageWidth]),
            white=2 ** max(tags.get(Tag.BitsPerSample, (1,))) - 1,
            signed=2 in tags.get(Tag.SampleFormat, ()),
            white_is_zero=tags.get(Tag.PhotometricInterpretation) == 0,
            lossy=_LOSSY_TIFF.get(image.info.get("compression", ""), ""),
        )
    if isinstance(image, PpmImageFile) and image.mode != "1":
        codec, args = image.tile[0].codec_name, image.tile[0].args
        if codec in ("ppm", "ppm_plain") and isinstance(args, tuple):
            return replace(facts, white=int(args[1]))
    return facts


def _count_pages(image: TiffImageFile) -> int:
    """The number of pages, counted up to a limit: a chain of empty ones may be long."""
    if not image.is_animated:
        return 1
    count = 1
    try:
        while count < _MOST_PAGES:
            image.seek(count)
            count += 1
    except EOFError:
        pass
    image.seek(0)
    return count


def read_orientation(image: Image.Image) -> int:
    """The orientation of a picture by EXIF or XMP, 1 to 8; 1 if there is none that can be read, as viewers do."""
    try:
        # A PNG's own `getexif` would decode its pixels.
        found = Image.Image.getexif(image).get(Tag.Orientation, 1)
    except Exception:  # each kind of damage has its own error
        return 1
    return found if found in _TURNS else 1


def turn(image: Image.Image, orientation: int) -> Image.Image:
    """The picture that is upright, of one that has an orientation by EXIF."""
    return image if orientation == 1 else image.transpose(_TURNS[orientation])


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Height and width after `turn`."""
    return (size[1], size[0]) if orientation in _SWAPPED else size


class PngChunks:
    """Chunks of a PNG that Pillow shows too late: the bit depth, and EXIF data that may follow the pixels."""

    def __init__(self, file: BinaryIO) -> None:
        self.white, self.exif = 255, b""
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"IHDR" and length == 13:
                self.white = 2 ** file.read(13)[8] - 1
                file.seek(4, os.SEEK_CUR)
            elif kind == b"eXIf":
                self.exif = b"Exif\0\0" + file.read(length)
                return
            elif kind == b"IEND":
                return
            else:
                file.seek(length + 4, os.SEEK_CUR)


def is_lossy_webp(file: BinaryIO) -> bool:
    """Whether a WebP holds a picture of the lossy kind."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            return kind == b"VP8 "
        file.seek(length + length % 2, os.SEEK_CUR)
    return False
