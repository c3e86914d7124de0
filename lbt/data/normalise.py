"""Normalisation of images: scale to [0, 1], subtract the mean, divide by the standard deviation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def normalise(images: Tensor, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> Tensor:
    """Scale images to [0, 1], subtract the mean and divide by the standard deviation of each channel.

    Args:
        images: uint8 of shape (..., 3, H, W), or floats in [0, 1].
        mean: of red, green and blue in [0, 1].
        std: of red, green and blue in [0, 1], above 0.

    Returns:
        float32 of the same shape, a plain tensor.
    """
    scaled = images.float() if images.is_floating_point() else images.float().mul_(1 / 255)
    shift, scale = (torch.as_tensor(values, device=images.device)[:, None, None] for values in (mean, std))
    return (scaled - shift).div_(scale)
