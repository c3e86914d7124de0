"""Random changes of an image together with its targets, all drawn from one generator."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.classes import IGNORE
from lbt.data.normalise import normalise
from lbt.space.padding import stride_of


def augment(
    item: Sequence[Tensor],
    *,
    settings: AugmentationSettings,
    data: DataSettings,
    crop: tuple[int, int],
    generator: torch.Generator,
) -> tuple[Tensor, ...]:
    """Resize, crop, flip and jitter an image, and move its targets with it.

    The number format of a target says how it is treated: integers are a mask (H, W), resized by nearest neighbour and
    padded with `IGNORE`; floats are soft targets (C, h, w), at the stride of a network (see
    `lbt.training.losses.upsample`), resized bilinearly and padded with 0. An image smaller than the crop is padded at
    its right and lower edge with the mean.

    Args:
        item: the image, uint8 `tv_tensors.Image` of shape (3, H, W), and its targets.
        settings: ranges of the changes; its own crop is not read.
        data: mean and standard deviation of the images.
        crop: height and width of the result in pixels.
        generator: source of all randomness; always advanced by the same number of draws.

    Returns:
        Image (3, h, w) float32, normalised, and the targets in their order: masks (h, w), soft targets (C, h, w).
    """
    draw = torch.rand(7, generator=generator, dtype=torch.float64).tolist()
    image, *targets = item
    low, high = settings.scale
    scale = low + (high - low) * draw[0]
    size = [max(1, round(length * scale)) for length in image.shape[-2:]]
    # The offset within the room that the crop leaves, both ends included.
    top, left = (int(draw[1 + axis] * (max(0, size[axis] - crop[axis]) + 1)) for axis in (0, 1))
    window = [top, left, min(crop[0], size[0]), min(crop[1], size[1])]
    flip = draw[3] < settings.flip

    def place(part: Tensor, mode: InterpolationMode, stride: int = 1) -> Tensor:
        # Soft targets may reach beyond the image; fitted into it they would stand beside their pixels.
        covered = (
            round(stride * rows * length / whole)
            for rows, length, whole in zip(part.shape[-2:], size, image.shape[-2:], strict=True)
        )
        if list(part.shape[-2:]) != (wanted := list(covered)):
            part = transforms.resize(part, wanted, interpolation=mode, antialias=True)
        part = transforms.crop(part, *window)
        return transforms.horizontal_flip(part) if flip else part

    padding = [0, 0, crop[1] - window[3], crop[0] - window[2]]
    jittered = _jitter(place(image.as_subclass(Tensor), InterpolationMode.BILINEAR), settings, draw[4:])
    placed = [transforms.pad(normalise(jittered, data.mean, data.std), padding)]
    for target in targets:
        if target.is_floating_point():
            stride = stride_of(tuple(target.shape[-2:]), tuple(image.shape[-2:]))
            part = place(target.as_subclass(Tensor).float(), InterpolationMode.BILINEAR, stride)
            placed.append(transforms.pad(part, padding, fill=0))
        else:
            # A mask as a plain tensor: for `tv_tensors.Mask` torchvision's nearest neighbour is half a pixel off.
            part = place(target.as_subclass(Tensor)[None], InterpolationMode.NEAREST_EXACT)
            placed.append(transforms.pad(part, padding, fill=IGNORE)[0])
    return tuple(placed)


def _jitter(image: Tensor, settings: AugmentationSettings, draw: Sequence[float]) -> Tensor:
    """Change contrast, brightness and saturation of a uint8 image; returns floats in [0, 1].

    The mean that the contrast is stretched about is a sum of integers, so it does not depend on the number of threads.
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
