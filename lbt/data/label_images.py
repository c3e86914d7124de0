"""Label maps as images: the palette of the classes, labels over a photograph, and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lbt.config import Color
from lbt.errors import visible

MARGIN, LINE, SWATCH = 10, 24, 28
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
INK, PAPER = (25, 25, 25), (255, 255, 255)


def label_palette(colors: Sequence[Color]) -> np.ndarray:
    """Colours (256, 3) uint8 by label value; black for a value that is not a class, such as `IGNORE`."""
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(colors)] = colors
    return palette


def color_labels(labels: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """Colours (H, W, 3) uint8 of class indices (H, W); ignored pixels are black."""
    return label_palette(colors)[labels]


def label_image(labels: np.ndarray, colors: Sequence[Color] | np.ndarray) -> Image.Image:
    """An 8-bit palette image whose values are the class indices (H, W); viewers show it in the classes' colours.

    Args:
        labels: class indices (H, W).
        colors: of each class, or a whole palette (256, 3).
    """
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(np.asarray(colors, np.uint8).tobytes())
    return image


def overlay_image(pixels: np.ndarray, labels: np.ndarray, colors: Sequence[Color], opacity: float) -> Image.Image:
    """The photograph with the classes' colours over it.

    Args:
        pixels: (H, W, 3) uint8.
        labels: class indices (H, W).
        colors: of each class.
        opacity: of the colours, from 0 (the photograph alone) to 1 (the colours alone).
    """
    return Image.blend(Image.fromarray(pixels), Image.fromarray(color_labels(labels, colors)), opacity)


def legend_image(classes: Sequence[str], colors: Sequence[Color]) -> Image.Image:
    r"""A line for each class: its colour, its index and its name, with `\u8def` for a character that no font has."""
    font, shown = write_names(classes, 15)
    lines = [f"{index}  {name}" for index, name in enumerate(shown)]
    width = 2 * MARGIN + SWATCH + 10 + int(max(map(font.getlength, lines))) + 1
    image = Image.new("RGB", (width, 2 * MARGIN + LINE * len(lines)), PAPER)
    draw = ImageDraw.Draw(image)
    for row, (line, color) in enumerate(zip(lines, colors, strict=True)):
        top = MARGIN + row * LINE
        draw.rectangle((MARGIN, top + 3, MARGIN + SWATCH, top + LINE - 4), fill=tuple(color), outline=INK)
        draw.text((MARGIN + SWATCH + 10, top + 2), line, INK, font)
    return image


def write_names(names: Sequence[str], size: int) -> tuple[_Font, list[str]]:
    r"""A font of about `size` pixels and names that it can write, with `\u8def` for a character that no font has."""
    shown = [visible(name, 200) for name in names]
    font = _find_font(shown, size)
    return font, ["".join(c if _has(font, c) else ascii(c)[1:-1] for c in name) for name in shown]


def _find_font(names: Sequence[str], size: int) -> _Font:
    """Pillow's font; if it lacks a character of the names, matplotlib's, which has those of most alphabets."""
    font = ImageFont.load_default(size)
    found = find_spec("matplotlib")  # imports nothing
    if all(_has(font, char) for name in names for char in name) or found is None or found.origin is None:
        return font
    return ImageFont.truetype(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size - 2)


def _has(font: _Font, char: str) -> bool:
    """Whether a font has a character; it draws a box for others."""
    return char.isspace() or bytes(font.getmask(char)) != bytes(font.getmask("\U0010ffff"))
