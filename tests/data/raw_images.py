"""Image files that Pillow does not write: PNG of any bit depth, and EXIF marks in every format."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_raw_png(
    path: Path, values: np.ndarray, depth: int, kind: int, before: bytes = b"", after: bytes = b""
) -> Path:
    """Write values (H, W) or (H, W, channels) with `depth` bits each, and chunks before and after the pixels.

    `kind` is the colour type: 0 grey, 2 red, green and blue, 3 palette.
    """
    rows = values.astype(">u2" if depth == 16 else np.uint8)
    if depth < 8:
        bits = np.unpackbits(rows[..., None], axis=-1)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(len(rows), -1), axis=1)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], depth, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = (chunk(b"IHDR", head), before, chunk(b"IDAT", pixels), after, chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def write_raw_tiff(path: Path, values: np.ndarray, depth: int, **tags: int) -> Path:
    """Write values (H, W) or (H, W, 3) as an uncompressed TIFF; `tags` are further ones, such as `t262=0`."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    pixels = values.astype(f"<u{depth // 8}").tobytes()
    known = {256: values.shape[1], 257: values.shape[0], 258: depth, 259: 1, 262: 1 if channels == 1 else 2, 273: 8}
    known |= {277: channels, 278: values.shape[0], 279: len(pixels)} | {int(t[1:]): value for t, value in tags.items()}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(known.items()))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    path.write_bytes(head + pixels + struct.pack("<H", len(known)) + entries + bytes(4))
    return path


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def save_marked(path: Path, pixels: np.ndarray, orientation: int) -> Path:
    """Write pixels without loss (JPEG: almost), marked as turned."""
    image = Image.fromarray(pixels)
    if path.suffix == ".tif":
        image.save(path, tiffinfo={0x0112: orientation})
    elif path.suffix == ".late":  # a PNG whose mark follows its pixels
        write_raw_png(path, pixels, 8, 2, after=chunk(b"eXIf", exif(orientation).tobytes()[6:]))
    elif path.suffix == ".xmp":
        mark = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="{orientation}"/></x:xmpmeta>'
        image.save(path, "JPEG", quality=100, subsampling=0, xmp=mark.encode())
    else:
        options = {"lossless": True} if path.suffix == ".webp" else {"quality": 100, "subsampling": 0}
        image.save(path, exif=exif(orientation), **options if path.suffix != ".png" else {})
    return path
