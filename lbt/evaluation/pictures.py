"""Pictures of a scored network: its prediction beside the ground truth, and its labels with a palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from lbt.data.classes import IGNORE, ClassTable
from lbt.data.images import write_png
from lbt.data.label_images import INK, PAPER, color_labels, label_image, label_palette, write_names

GAP, HEADING, LINE, LEAST_WIDTH = 8, 22, 20, 320


def write_labels(path: Path, labels: Tensor, table: ClassTable) -> None:
    """Write class indices (H, W) as a PNG whose values are the indices and whose palette has the classes' colours."""
    write_png(path, label_image(labels.numpy(), label_palette(table.colors)))


def write_picture(path: Path, image: np.ndarray, truth: Tensor, prediction: Tensor, table: ClassTable) -> None:
    """Write a PNG of three panels (image, ground truth, prediction) above a legend.

    Args:
        path: the PNG.
        image: the photograph, (H, W, 3) uint8.
        truth: class indices (H, W), `IGNORE` where ignored; these pixels are black in the prediction too.
        prediction: class indices (H, W).
        table: classes, for names and colours.
    """
    label, predicted = (labels.numpy().astype(np.uint8) for labels in (truth, prediction))
    panels = {
        "image": image,
        "ground truth": color_labels(label, table.colors),
        "prediction": color_labels(np.where(label == IGNORE, IGNORE, predicted), table.colors),
    }
    height, width = label.shape
    zoom = max(1, -(-LEAST_WIDTH // width))  # small images are enlarged by a whole factor
    height, width = height * zoom, width * zoom
    font, names = write_names(table.names, 14)
    total = 3 * width + 4 * GAP
    cell = max(font.getlength(name) for name in names) + 34
    columns = max(1, int((total - GAP) // cell))
    rows = -(-table.num_classes // columns)
    canvas = Image.new("RGB", (total, HEADING + height + 2 * GAP + rows * LINE), PAPER)
    draw = ImageDraw.Draw(canvas)
    for i, (name, panel) in enumerate(panels.items()):
        left = GAP + i * (width + GAP)
        draw.text((left, 4), name, INK, font)
        canvas.paste(Image.fromarray(panel).resize((width, height), Image.Resampling.NEAREST), (left, HEADING))
    top = HEADING + height + GAP
    for i, (name, color) in enumerate(zip(names, table.colors, strict=True)):
        x, y = GAP + (i % columns) * cell, top + (i // columns) * LINE
        draw.rectangle((x, y + 2, x + 18, y + 14), fill=tuple(color), outline=INK)
        draw.text((x + 24, y), name, INK, font)
    write_png(path, canvas)
