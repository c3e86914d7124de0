"""Pictures as text inside a page."""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from PIL import Image

WIDTH = 1100
"""Largest width of a picture in pixels: three panels of the same image."""
_LARGEST = 20_000_000
"""Bytes of a figure that a page takes in."""


def embed_picture(path: Path) -> str | None:
    """An image file as an address for `<img src>`, at most `WIDTH` pixels wide; None if it cannot be read."""
    with suppress(OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        found = path.stat()
        return _shrink(path, found.st_mtime_ns, found.st_size)
    return None


@lru_cache(maxsize=64)
def _shrink(path: Path, changed: int, size: int) -> str:
    """The picture of a file in the state that its time and size tell: a page is written again after each job."""
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if picture.width > WIDTH:
        picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=85, method=2)
    return _address("image/webp", content.getvalue())


def embed_figure(path: Path) -> str | None:
    """An SVG file as an address for `<img src>`; no script in it runs there. None if it cannot be read."""
    with suppress(OSError):
        if path.stat().st_size <= _LARGEST:
            return _address("image/svg+xml", path.read_bytes())
    return None


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
