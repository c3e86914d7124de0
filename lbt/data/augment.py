"""Random augmentation of an image together with its targets, from one random generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.classes import IGNORE
from lbt.data.normalise import normalise
from lbt.space.padding import find_stride


def augment(
    item: Sequence[Tensor],
    *,
    settings: AugmentationSettings,
    data: DataSettings,
    crop: tuple[int, int],
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """Resize, crop, flip and jitter an image, and apply the same geometry to its targets.

    The dtype of a target decides its treatment. An integer target is a mask (H, W): it is resized by nearest neighbour
    and padded with `IGNORE`. A float target holds soft labels (C, h, w) at the stride of a network (see
    `lbt.space.padding.upsample`): it is resized bilinearly and padded with 0. An image smaller than the crop is padded
    with the mean at its right and lower edge.

    Args:
        item: the image, uint8 `tv_tensors.Image` of shape (3, H, W), and its targets.
        settings: ranges of the random changes; its `crop` is not used.
        data: mean and standard deviation of the images.
        crop: height and width of the result in pixels.
        generator: source of all randomness; every call advances it by the same number of draws.

    Returns:
        Image (3, h, w) float32, normalised, and the targets in their order: masks (h, w), soft targets (C, h, w).
    """
    draw = torch.rand(7, generator=generator, dtype=torch.float64).tolist()
    image, *targets = item
    height, width = image.shape[-2:]
    low, high = settings.scale
    scale = low + (high - low) * draw[0]
    size = [max(1, round(length * scale)) for length in (height, width)]
    # Offsets from 0 to the number of surplus rows or columns, both included.
    top, left = (int(draw[1 + axis] * (max(0, size[axis] - crop[axis]) + 1)) for axis in (0, 1))
    window = [top, left, min(crop[0], size[0]), min(crop[1], size[1])]
    flip = draw[3] < settings.flip

    def place(part: Tensor, mode: InterpolationMode, stride: int = 1) -> Tensor:
        # Soft targets may extend beyond the image. Resized to its size, they would be shifted against its pixels.
        covered = [
            round(stride * rows * length / whole)
            for rows, length, whole in zip(part.shape[-2:], size, (height, width), strict=True)
        ]
        if list(part.shape[-2:]) != covered:
            part = transforms.resize(part, covered, interpolation=mode, antialias=True)
        part = transforms.crop(part, *window)
        return transforms.horizontal_flip(part) if flip else part

    padding = [0, 0, crop[1] - window[3], crop[0] - window[2]]
    jittered = _jitter(place(image.as_subclass(Tensor), InterpolationMode.BILINEAR), settings, draw[4:])
    placed = [transforms.pad(normalise(jittered, data.mean, data.std), padding)]
    for target in targets:
        if target.is_floating_point():
            stride = find_stride((target.shape[-2], target.shape[-1]), (height, width))
            part = place(target.as_subclass(Tensor).float(), InterpolationMode.BILINEAR, stride)
            placed.append(transforms.pad(part, padding, fill=0))
        else:
            # A plain tensor, because torchvision's nearest neighbour shifts a `tv_tensors.Mask` by half a pixel.
            part = place(target.as_subclass(Tensor)[None], InterpolationMode.NEAREST_EXACT)
            placed.append(transforms.pad(part, padding, fill=IGNORE)[0])
    return tuple(placed)


def _jitter(image: Tensor, settings: AugmentationSettings, draw: Sequence[float]) -> Tensor:
    """Change contrast, brightness and saturation of a uint8 image; returns floats in [0, 1].

    The contrast is scaled about the mean, which is a sum of integers and so independent of the number of threads.
    """
    brightness, contrast, saturation = (
        1 + extent * (2 * value - 1)
        for extent, value in zip((settings.brightness, settings.contrast, settings.saturation), draw, strict=True)
    )
    grey = transforms.rgb_to_grayscale(image)
    mean = grey.sum(dtype=torch.int64).item() / (255 * grey.numel())
    changed = transforms.to_dtype(image, torch.float32, scale=True)
    changed = (contrast * changed + (1 - contrast) * mean).clamp(0, 1)
    changed = transforms.adjust_brightness(changed, brightness)
    return transforms.adjust_saturation(changed, saturation)
