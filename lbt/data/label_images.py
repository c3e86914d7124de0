"""Label maps as images: with a palette, over the photograph, and what the colours mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lbt.data.classes import ClassTable
from lbt.data.images import read_image
from lbt.files import atomic_path

if TYPE_CHECKING:  # figures colour labels without waiting for PyTorch
    from torch import Tensor

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


GAP, HEADING, LINE, LEAST_WIDTH = 8, 22, 20, 320
INK, PAPER, IGNORED = (25, 25, 25), (255, 255, 255), (0, 0, 0)


def color_labels(labels: np.ndarray, table: ClassTable) -> np.ndarray:
    """Colours (H, W, 3) uint8 of class indices (H, W); ignored pixels are black."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:] = IGNORED
    palette[: table.num_classes] = table.colors
    return palette[labels]


def write_labels(path: Path, labels: Tensor, table: ClassTable) -> None:
    """Write class indices (H, W) as a PNG whose values are the indices and whose palette has the classes' colours."""
    image = Image.fromarray(labels.numpy().astype(np.uint8))
    image.putpalette(color_labels(np.arange(256), table).tobytes())
    with atomic_path(path) as temporary:
        image.save(temporary, format="PNG")


def write_picture(path: Path, image: Path, truth: Tensor, prediction: Tensor, table: ClassTable) -> None:
    """Write a PNG of three panels and a legend.

    Args:
        path: the PNG.
        image: file of the photograph.
        truth: class indices (H, W), 255 where ignored.
        prediction: class indices (H, W).
        table: classes, for names and colours.
    """
    label, predicted = (t.numpy().astype(np.uint8) for t in (truth, prediction))
    panels = {
        "image": read_image(image),
        "ground truth": color_labels(label, table),
        "prediction": color_labels(np.where(label == 255, 255, predicted), table),
    }
    height, width = label.shape
    zoom = max(1, -(-LEAST_WIDTH // width))  # small images are enlarged by a whole factor
    height, width = height * zoom, width * zoom
    font = ImageFont.load_default(14)
    total = 3 * width + 4 * GAP
    cell = max(font.getlength(name) for name in table.names) + 34
    columns = max(1, int((total - GAP) // cell))
    rows = -(-table.num_classes // columns)
    canvas = Image.new("RGB", (total, HEADING + height + 2 * GAP + rows * LINE), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, (name, panel) in enumerate(panels.items()):
        left = GAP + i * (width + GAP)
        draw.text((left, 4), name, INK, font)
        canvas.paste(Image.fromarray(panel).resize((width, height), Image.Resampling.NEAREST), (left, HEADING))
    top = HEADING + height + GAP
    for i, (name, color) in enumerate(zip(table.names, table.colors, strict=True)):
        x, y = GAP + (i % columns) * cell, top + (i // columns) * LINE
        draw.rectangle((x, y + 2, x + 18, y + 14), fill=tuple(color), outline=INK)
        draw.text((x + 24, y), name, INK, font)
    with atomic_path(path) as temporary:
        canvas.save(temporary, format="PNG")
