"""Random augmentation of an image together with its targets, from one random generator.

`augment` moves an image and its targets, 8-bit as they were decoded, in the process that decodes them. `recolor`
jitters and normalises a batch of such crops on the device that trains.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.classes import IGNORE
from lbt.space.padding import find_stride

Size = tuple[int, int]
Window = tuple[int, int, int, int]
"""Top, left, height and width."""
Pixels = tuple[range, range]
"""Rows and columns of a resized image."""
_CACHED = 2**18
"""Numbers that are changed together on a CPU: 1 MB."""
_GREY = (0.2989, 0.587, 0.114)
"""Shares of red, green and blue in the brightness, as torchvision has them."""


@dataclass(frozen=True)
class Jitter:
    """The changes of a crop's colours.

    Attributes:
        brightness, contrast, saturation: factors; 1 changes nothing.
        height, width: the part of the crop that the image covers, at its upper left corner; the rest is padding.
    """

    brightness: float
    contrast: float
    saturation: float
    height: int
    width: int


def augment(
    item: Sequence[Tensor], *, settings: AugmentationSettings, crop: Size, generator: torch.Generator
) -> tuple[Jitter, tuple[Tensor, ...]]:
    """Resize, crop and flip an image, apply the same geometry to its targets, and draw the jitter of its colours.

    The dtype of a target decides its treatment. An integer target is a mask (H, W): it is resized by nearest neighbour
    and padded with `IGNORE`. A float target holds soft labels (C, h, w) at the stride of a network (see
    `lbt.space.padding.upsample`): it is resized bilinearly and padded with 0. An image smaller than the crop is padded
    at its right and lower edge.

    Only the pixels of the crop are made, not the whole resized image, and they are the same.

    Args:
        item: the image, uint8 of shape (3, H, W), and its targets.
        settings: ranges of the random changes; its `crop` is not used.
        crop: height and width of the result in pixels.
        generator: source of all randomness; every call advances it by the same number of draws.

    Returns:
        The jitter, which `recolor` applies; the crop of the image, uint8 (3, h, w), and of the targets in their order:
        masks uint8 (h, w), soft targets float32 (C, h, w).
    """
    draw = torch.rand(7, generator=generator, dtype=torch.float64).tolist()
    image, *targets = item
    height, width = image.shape[-2:]
    low, high = settings.scale
    scale = low + (high - low) * draw[0]
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    # Offsets from 0 to the number of surplus rows or columns, both included.
    top, left = (int(draw[1 + axis] * (max(0, size[axis] - crop[axis]) + 1)) for axis in (0, 1))
    window = (top, left, min(crop[0], size[0]), min(crop[1], size[1]))

    flipped = draw[3] < settings.flip
    rows, columns = (range(start, start + count) for start, count in zip(window[:2], window[2:], strict=True))
    columns = columns[::-1] if flipped else columns

    def pad(part: Tensor, fill: int = 0) -> Tensor:
        padding = (0, crop[1] - part.shape[-1], 0, crop[0] - part.shape[-2])
        return F.pad(part, padding, value=fill) if any(padding) else part.contiguous()

    moved = resize_image(image, size, window)
    placed = [pad(moved.flip(-1) if flipped else moved)]
    for target in targets:
        if target.is_floating_point():
            # Soft labels may extend beyond the image. Resized to its size, they would be shifted against its pixels.
            stride = find_stride((target.shape[-2], target.shape[-1]), (height, width))
            covered = tuple(
                round(stride * length * new / old)
                for length, new, old in zip(target.shape[-2:], size, (height, width), strict=True)
            )
            placed.append(pad(resize_soft_labels(target.float(), covered, (rows, columns))))
        else:
            placed.append(pad(resize_mask(target, size, (rows, columns)), IGNORE))
    brightness, contrast, saturation = (
        1 + extent * (2 * value - 1)
        for extent, value in zip((settings.brightness, settings.contrast, settings.saturation), draw[4:], strict=True)
    )
    return Jitter(brightness, contrast, saturation, window[2], window[3]), tuple(placed)


def resize_image(image: Tensor, size: Size, window: Window) -> Tensor:
    """A window of an image (3, H, W) uint8 that is resized to `size` bilinearly with antialiasing.

    The kernel starts at the upper left corner. Therefore all that lies before the window's lower right corner is
    resized, with the scale of the whole image, and nothing beyond it.
    """
    top, left, height, width = window
    end, old = (top + height, left + width), (image.shape[-2], image.shape[-1])
    if old == size:
        return image[:, top : end[0], left : end[1]]
    # `F.interpolate` cannot have both the size and the scale.
    resized = torch.ops.aten._upsample_bilinear2d_aa(
        image[None, :, : _read_until(old[0], size[0], end[0]), : _read_until(old[1], size[1], end[1])],
        end,
        False,
        size[0] / old[0],
        size[1] / old[1],
    )
    return resized[0, :, top:, left:]


def resize_mask(mask: Tensor, size: tuple[int, ...], pixels: Pixels) -> Tensor:
    """Rows and columns of a mask (H, W) uint8 that is resized to `size` by nearest neighbour (`nearest-exact`)."""
    rows, columns = (_nearest(*axis) for axis in zip(mask.shape, size, pixels, strict=True))
    return torch.from_numpy(mask.numpy()[rows].take(columns, axis=1))


def resize_soft_labels(soft: Tensor, size: tuple[int, ...], pixels: Pixels) -> Tensor:
    """Rows and columns of soft labels (C, h, w) that are resized to `size` bilinearly with antialiasing."""
    rows, columns = (_taps(*axis) for axis in zip(soft.shape[1:], size, pixels, strict=True))
    found = soft.new_empty(len(soft), len(pixels[0]), len(pixels[1]))
    for one, out in zip(soft, found, strict=True):  # what is read again stays in the cache of the CPU
        wide = sum(one.index_select(1, places).mul_(weights) for places, weights in columns)
        for turn, (places, weights) in enumerate(rows):
            part = wide.index_select(0, places).mul_(weights[:, None])
            out.add_(part) if turn else out.copy_(part)
    return found


def _read_until(old: int, new: int, end: int) -> int:
    """Number of the first source pixels that the first `end` pixels need, of `old` that are resized to `new`."""
    scale = old / new
    return min(old, math.ceil((end - 0.5) * scale + max(1.0, scale)) + 1)


def _nearest(old: int, new: int, pixels: range) -> np.ndarray:
    """Source pixels of an axis that is resized from `old` to `new`, with the rounding of PyTorch's kernel."""
    half, scale = np.float32(0.5), np.float32(old) / np.float32(new)
    centre = scale * (np.array(pixels, np.float32) + half) - half
    return np.minimum(np.floor(np.maximum(centre, 0) + half).astype(np.int64), old - 1)


def _taps(old: int, new: int, pixels: range) -> list[tuple[Tensor, Tensor]]:
    """What an axis that is resized from `old` to `new` is summed from: source pixels and their weights.

    The weights are those of a triangle that covers at least two pixels of the source and of the result.
    """
    scale = old / new
    reach = max(1.0, scale)
    centre = (torch.tensor(pixels, dtype=torch.float64) + 0.5) * scale
    first, end = (centre - reach + 0.5).floor().clamp(min=0), (centre + reach + 0.5).floor().clamp(max=old)
    places = first[:, None] + torch.arange(int((end - first).max()))
    weights = (1 - ((places + 0.5 - centre[:, None]) / reach).abs()).clamp(min=0) * (places < end[:, None])
    weights = (weights / weights.sum(dim=1, keepdim=True)).float()
    return list(zip(places.clamp(max=old - 1).long().T, weights.T, strict=True))


def recolor(images: Tensor, jitters: Sequence[Jitter], data: DataSettings) -> Tensor:
    """Jitter and normalise crops of images; padding becomes the mean colour, which is 0.

    First the contrast is scaled about the mean brightness, a sum of integers that does not depend on threads, then the
    brightness, then the saturation. After each change values are limited to the range from black to white.

    Args:
        images: (B, 3, h, w) uint8, on any device.
        jitters: of each crop.
        data: mean and standard deviation of the images.

    Returns:
        (B, 3, h, w) float32 on the same device.
    """
    found = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    count, rows = len(images), images.shape[2]
    if images.device.type == "cpu":  # one image after another, in parts that the cache holds
        count, rows = 1, max(1, _CACHED // (3 * images.shape[3]))
    for start in range(0, len(images), count):
        part = found[start : start + count].copy_(images[start : start + count])
        changes = _changes(part, jitters[start : start + count], data)
        for strip in part.split(rows, dim=2):
            _change(strip, changes, data)
    for image, jitter in zip(found, jitters, strict=True):
        if (jitter.height, jitter.width) != image.shape[-2:]:
            image[:, jitter.height :] = 0
            image[:, :, jitter.width :] = 0
    return found


def _changes(images: Tensor, jitters: Sequence[Jitter], data: DataSettings) -> list[Tensor]:
    """The factors of `_change`, each (B, 1, 1, 1) or (B, 3, 1, 1) float32, for images of 0 to 255."""
    rows = [
        [
            j.brightness * (1 - j.contrast) / (255 * j.height * j.width),
            j.brightness * j.contrast / 255,
            min(j.brightness, 1.0),
            *(j.saturation / std for std in data.std),
            *((1 - j.saturation) / std for std in data.std),
        ]
        for j in jitters
    ]
    table = torch.tensor(rows, dtype=torch.float64).to(images.device, non_blocking=True)
    light = _grey(images).floor_().flatten(1).sum(dim=1, dtype=torch.float64)
    table[:, 0] *= light
    return list(table.float()[:, :, None, None].split([1, 1, 1, 3, 3], dim=1))


def _change(images: Tensor, changes: Sequence[Tensor], data: DataSettings) -> None:
    """Jitter and normalise images (B, 3, h, w) of 0 to 255 in place, with as few passes over them as possible."""
    offset, factor, most, own, grey = changes
    images.mul_(factor).add_(offset).clamp_(min=0)
    torch.minimum(images, most, out=images)
    light = _grey(images)[:, None]
    images.mul_(own).addcmul_(light, grey)
    for channel, mean, std in zip(images.unbind(dim=1), data.mean, data.std, strict=True):
        channel.sub_(mean / std).clamp_(-mean / std, (1 - mean) / std)


def _grey(images: Tensor) -> Tensor:
    """Brightness (B, h, w) float32 of images (B, 3, h, w)."""
    red, green, blue = images.unbind(dim=1)
    return red.mul(_GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
