"""Image and mask together: the mask gets the orientation and the size of its upright image, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from lbt.config import DataSettings
from lbt.data.classes import ClassTable
from lbt.data.image_file import ImageFacts, turn
from lbt.data.images import read_facts, read_photograph
from lbt.data.masks import read_mask, to_classes
from lbt.errors import LbtError

Exif = Literal["turn", "stored"] | None


class Misfit(Exception):
    """A mask and its image do not fit.

    Attributes:
        of_image: whether the image is to blame, otherwise the mask.
        what: the problem, as a sentence about that file.
        alike: the same as a sentence about several files.
    """

    def __init__(self, of_image: bool, what: str, alike: str) -> None:
        super().__init__(what)
        self.of_image, self.what, self.alike = of_image, what, alike


def exif_setting(data: DataSettings) -> Exif:
    """How masks lie on photographs that are marked as turned."""
    return None if data.folder is None else data.folder.exif


def fit_mask(mask: np.ndarray, image: ImageFacts, exif: Exif) -> np.ndarray:
    """The mask (H, W) as it lies on its upright image.

    Args:
        mask: as stored.
        image: facts of its image.
        exif: `turn` if masks are upright, `stored` if they lie on the stored pixels; None if sizes must show which.

    Raises:
        Misfit: it has another size than its image, or sizes cannot show how it lies.
    """
    if mask.shape not in (image.size, image.stored):
        turned = f", turned upright {_text(image.size)}" if image.orientation != 1 else ""
        found = f"is {_text(mask.shape)} pixels (width x height), its image {_text(image.stored)}{turned}"
        raise Misfit(False, f"{found}; replace one", "has another size than its image; replace one")
    if image.orientation == 1:
        return mask
    expected = image.stored if exif == "stored" else image.size
    if exif is None and image.stored == image.size:
        problem = "its mask may lie on the stored or on the turned pixels, which have the same size"
    elif mask.shape != expected:
        setting = f" against `data.folder.exif: {exif}`" if exif else ""
        problem = f"its mask has the size of the {'upright' if exif == 'stored' else 'stored'} pixels{setting}"
    else:
        return np.array(turn(Image.fromarray(mask), image.orientation)) if exif == "stored" else mask
    remedy = (
        "write `data.folder.exif: turn` if the masks were drawn on upright photographs, as viewers show them, or "
        "`stored` if on the stored pixels"
    )
    raise Misfit(
        True,
        f"is marked as turned (EXIF orientation {image.orientation}), and {problem}; {remedy}",
        f"is marked as turned (EXIF), and {problem}; {remedy}",
    )


def read_pair(image: Path, mask: Path, data: DataSettings, table: ClassTable) -> tuple[np.ndarray, np.ndarray]:
    """Decode an image (H, W, 3) uint8, upright, and the class indices (H, W) uint8 that lie on it.

    Raises:
        LbtError: a file cannot be used, or the two do not fit.
    """
    pixels, facts = read_photograph(image, data.max_pixels)
    return pixels, _fit(image, mask, facts, data, table)


def read_label(image: Path, mask: Path, data: DataSettings, table: ClassTable) -> np.ndarray:
    """Decode the class indices alone; see `read_pair`."""
    return _fit(image, mask, read_facts(image, data.max_pixels), data, table)


def _fit(image: Path, mask: Path, facts: ImageFacts, data: DataSettings, table: ClassTable) -> np.ndarray:
    classes = to_classes(mask, read_mask(mask, table.codes, data.max_pixels)[0], table)
    try:
        return fit_mask(classes, facts, exif_setting(data))
    except Misfit as misfit:
        raise LbtError(f"{image if misfit.of_image else mask}: {misfit.what}.") from misfit


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"
