"""Image, ground truth and prediction side by side, with the colours of the classes below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lbt.artifacts import atomic_path
from lbt.data.classes import ClassTable
from lbt.data.images import read_image

if TYPE_CHECKING:  # figures colour labels without waiting for PyTorch
    from torch import Tensor

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
