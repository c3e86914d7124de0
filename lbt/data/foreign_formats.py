"""Say in words what a file holds that is no image of a listed format."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import BinaryIO

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
    (rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01\xba|.{0}G.{187}G", "a video", _FRAMES),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000", _CONVERT),
    (rb"icns|8BPS|\0\0\x01\0|DDS |v/1\x01|#\?RADIANCE|gimp xcf", "an image of another format", _CONVERT),
    (rb"\x89HDF|\x93NUMPY", "an array", _CONVERT),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!", "an archive", "unpack it"),
    (rb"\s*<(!doctype|html|\?xml|svg)", "a page of HTML or XML", _AGAIN),
)


def describe_content(file: BinaryIO) -> tuple[str, str]:
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
