"""Masks: decode them, align them with their images, and refuse files whose values may have changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from PIL import Image

from lbt.config import Color, DataSettings
from lbt.data.classes import IGNORE, ClassTable
from lbt.data.image_facts import ImageFacts, turn
from lbt.data.images import (
    IMAGE_MODES,
    MAX_PIXELS,
    load_upright,
    open_image,
    read_facts,
    read_photograph,
    refuse_frames,
)
from lbt.errors import LbtError

_COLORED = ("RGB", "RGBA")
_BYTES, _INTEGERS = ("1", "L", "P"), ("I", "I;16", "I;16B", "I;16L")
_LISTED = 5

Exif = Literal["turn", "stored"] | None


class UnknownColors(LbtError):
    """A mask holds colours that stand for nothing; `counts` has the number of pixels of each, the largest first."""

    def __init__(self, message: str, counts: Mapping[int | Color, int] = MappingProxyType({})) -> None:
        # The message alone is in `args`, from which a loader process makes the error again.
        super().__init__(message)
        self.counts = counts


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


def read_mask(
    path: Path | str, codes: Mapping[Color, int] | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[np.ndarray, ImageFacts]:
    """Decode a mask, and return what its file says about itself.

    Args:
        path: the file.
        codes: the mask value of each colour, for masks that hold colours; a palette image is then read by its colours.
            None for masks that hold values; a palette image is then read by its indices.
        max_pixels: the most pixels that it may have.

    Returns:
        uint8 array of shape (H, W) of mask values, and the facts.

    Raises:
        LbtError: the file is missing, unreadable or truncated; it may hold other values than those that were drawn;
            without `codes`, it has not one channel of integers from 0 to 255.
        UnknownColors: with `codes`, it has a colour without a value.
    """
    with open_image(path, max_pixels) as (image, facts):
        refuse_frames(path, facts)
        problem = _general_problem(facts) or (_id_problem(facts) if codes is None else _color_problem(facts))
        if problem:
            raise LbtError(f"{path}: {problem}.")
        image = load_upright(path, image, facts)
        facts = replace(facts, palette=bytes(image.getpalette("RGB") or ()))
        return (_read_ids(path, image) if codes is None else _read_colors(path, image, codes)), facts


def to_classes(path: Path | str, mask: np.ndarray, table: ClassTable) -> np.ndarray:
    """Class indices and `IGNORE` of mask values, uint8 arrays (H, W).

    Raises:
        LbtError: a value is not in the table.
    """
    values = bytearray(np.ascontiguousarray(mask))
    # Leaves out unknown values; several times faster than NumPy.
    classes = values.translate(table.lut.tobytes(), bytes(set(range(256)) - table.known))
    if len(classes) < len(values):
        unknown = sorted(set(values) - table.known)
        raise LbtError(
            f"{path}: holds the mask values {unknown}, which no class and no ignored id has; "
            "correct the mask or the classes in the settings."
        )
    return np.frombuffer(classes, np.uint8).reshape(mask.shape)


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
        "remove the mark, or, with `layout: folder`, write `data.folder.exif: turn` if the masks were drawn on upright "
        "photographs, as viewers show them, or `stored` if on the stored pixels"
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


def _general_problem(facts: ImageFacts) -> str:
    """Why a file is not a mask, whatever its values mean; empty if it may be one."""
    if facts.lossy:
        return (
            f"is a mask in a format that changes values ({facts.lossy}); export the masks again as PNG, because saving "
            "this file as PNG would keep the wrong values"
        )
    if facts.orientation != 1:
        return f"is a mask that is itself marked as turned (EXIF orientation {facts.orientation}); save it upright"
    return ""


def _id_problem(facts: ImageFacts) -> str:
    """Why a file cannot be a mask of ids; empty if it can."""
    if facts.mode not in (*_BYTES, *_INTEGERS):
        channels = Image.getmodebands(facts.mode)
        found = f"is a mask of mode {facts.mode}" + (f" ({channels} channels)" if channels > 1 else "")
        colors = "; if it holds the classes' colours, write `data.folder.mask_values: color` with `layout: folder`"
        hint = colors if facts.mode in _COLORED else ""
        return f"{found}; save one channel of 8 bits that holds the class ids{hint}"
    again = "save one channel of 8 bits that holds the class ids"
    if facts.mode == "L" and facts.signed:
        return f"is a mask with signed values; {again}"
    if facts.mode in ("1", "L") and facts.white_is_zero:
        return f"is a mask whose value 0 is white, so that its ids could also be counted from white; {again}"
    if facts.mode == "L" and facts.white != 255:
        return (
            f"is a grey mask whose white is {facts.white} instead of 255, so that its values may be ids or shades "
            f"that stand for other ids; {again}"
        )
    return ""


def _color_problem(facts: ImageFacts) -> str:
    """Why a file cannot be a mask of colours; empty if it can."""
    if facts.mode not in IMAGE_MODES:
        return f"is a mask of mode {facts.mode}; save red, green and blue with 8 bits each"
    if facts.signed or facts.white > 255:
        bits = "signed values" if facts.signed else f"{facts.white.bit_length()} bits a channel"
        return f"is a mask of mode {facts.mode} with {bits}; save red, green and blue with 8 bits each"
    return ""


def _read_ids(path: Path | str, image: Image.Image) -> np.ndarray:
    values = np.array(image)
    if image.mode in _INTEGERS:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 255:
            raise LbtError(
                f"{path}: holds the value {low if low < 0 else high}; ids go from 0 to 255. Save one channel of 8 bits "
                "that holds the class ids."
            )
    return values.astype(np.uint8, copy=False)


def _read_colors(path: Path | str, image: Image.Image, codes: Mapping[Color, int]) -> np.ndarray:
    """Mask values (H, W) of the colours of an image."""
    alpha = np.array(image.getchannel("A")) if image.mode in ("LA", "RGBA") else None
    if "transparency" in image.info:  # of a palette index or a colour, which keeps its meaning
        image = image.copy()
        del image.info["transparency"]
    pixels = np.array(image.convert("RGB"))
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, indices, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colors: list[Color] = [(int(code) >> 16, int(code) >> 8 & 255, int(code) & 255) for code in found]
    unknown = sorted((-int(count), color) for color, count in zip(colors, counts, strict=True) if color not in codes)
    if unknown:
        shown = ", ".join(f"{list(color)} ({-count} pixels)" for count, color in unknown[:_LISTED])
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise UnknownColors(
            f"{path}: holds colours outside the table: {shown}{more}; correct the colours of data.folder.classes, add "
            "them to data.folder.ignore_colors, or save the mask without compression losses and smoothed edges.",
            {color: -count for count, color in unknown},
        )
    values = np.array([codes[color] for color in colors], np.uint8)[indices].reshape(pixels.shape[:2])
    if alpha is not None:
        _refuse_erased(path, values, alpha == 0)
    return values


def _refuse_erased(path: Path | str, values: np.ndarray, clear: np.ndarray) -> None:
    """Refuse a mask in which pixels of a class are transparent and others not: who drew it may have erased some."""
    both = set(np.unique(values[clear]).tolist()) & set(np.unique(values[~clear]).tolist()) - {IGNORE}
    if both:
        raise LbtError(
            f"{path}: is a mask with transparent pixels whose class also has opaque ones; save it without transparency."
        )


def _fit(image: Path, mask: Path, facts: ImageFacts, data: DataSettings, table: ClassTable) -> np.ndarray:
    classes = to_classes(mask, read_mask(mask, table.codes, data.max_pixels)[0], table)
    try:
        return fit_mask(classes, facts, exif_setting(data))
    except Misfit as misfit:
        raise LbtError(f"{image if misfit.of_image else mask}: {misfit.what}.") from misfit


def _text(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"
