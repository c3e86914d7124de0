"""Recognise that images were given as masks and masks as images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from lbt.data.images import read_image
from lbt.errors import LbtError

_READ = 3
_FEW = 256


def seem_swapped(root: Path, images: Sequence[str], masks: Sequence[str]) -> bool:
    """Whether each of the first images has few colours, as a mask has, and each of the first masks has many."""
    few = [_has_few_colors(root / file) for file in images[:_READ]]
    many = [_has_few_colors(root / file) for file in masks[:_READ]]
    return bool(few and many) and all(few) and not any(many)


def _has_few_colors(path: Path) -> bool:
    """Whether an image has few colours; one that cannot be read may be a mask of another kind, such as 1 bit."""
    try:
        return Image.fromarray(read_image(path)).getcolors(_FEW) is not None
    except LbtError:
        return True
