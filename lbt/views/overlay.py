"""Label maps as images: with a palette, over the photograph, and what the colours mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colors = Sequence[tuple[int, int, int]]

MARGIN, LINE, SWATCH = 10, 24, 28
INK, PAPER = (25, 25, 25), (255, 255, 255)


def label_image(labels: np.ndarray, colors: Colors) -> Image.Image:
    """An 8-bit palette image whose values are the class indices (H, W); viewers show it in the classes' colours."""
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette([value for color in colors for value in color])
    return image


def overlay_image(pixels: np.ndarray, labels: np.ndarray, colors: Colors, opacity: float) -> Image.Image:
    """The photograph with the classes' colours over it.

    Args:
        pixels: (H, W, 3) uint8.
        labels: class indices (H, W).
        colors: of each class.
        opacity: of the colours, from 0 (the photograph alone) to 1 (the colours alone).
    """
    painted = np.array(colors, np.uint8)[labels]
    return Image.blend(Image.fromarray(pixels), Image.fromarray(painted), opacity)


def legend_image(classes: Sequence[str], colors: Colors) -> Image.Image:
    """A line for each class: its colour, its index and its name."""
    font = ImageFont.load_default(15)
    lines = [f"{index}  {name}" for index, name in enumerate(classes)]
    width = 2 * MARGIN + SWATCH + 10 + int(max(map(font.getlength, lines))) + 1
    image = Image.new("RGB", (width, 2 * MARGIN + LINE * len(lines)), PAPER)
    draw = ImageDraw.Draw(image)
    for row, (line, color) in enumerate(zip(lines, colors, strict=True)):
        top = MARGIN + row * LINE
        draw.rectangle((MARGIN, top + 3, MARGIN + SWATCH, top + LINE - 4), fill=tuple(color), outline=INK)
        draw.text((MARGIN + SWATCH + 10, top + 2), line, INK, font)
    return image
