"""Images of any size: padding to the coarsest stride and cropping of what comes out."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

COARSEST = 32


def blocks(length: int, side: int) -> int:
    """How many blocks of `side` pixels cover `length`: length / side, rounded up.

    Written without negative numbers, whose division ONNX rounds the other way than Python.
    """
    return (length + side - 1) // side


def feature_size(size: tuple[int, int], scale: int) -> tuple[int, int]:
    """Height and width of a feature at 1/`scale` of an image of `size`, padding included."""
    height, width = (blocks(side, COARSEST) * COARSEST // scale for side in size)
    return height, width


def pad_images(images: Tensor) -> Tensor:
    """Pad (B, 3, H, W) with zeros, the mean colour, at the bottom and right to multiples of 32.

    Padding there and nowhere else keeps pixel (0, 0) of every feature at the image's corner, so a logit of stride s
    belongs to the same s x s pixels as without padding.
    """
    height, width = images.shape[-2:]
    right, bottom = (blocks(side, COARSEST) * COARSEST - side for side in (width, height))
    return F.pad(images, (0, right, 0, bottom))


def crop_logits(logits: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Drop the logits that cover padding only: (B, C, ceil(H / stride), ceil(W / stride)) for an image of `size`."""
    height, width = size
    return logits[..., : blocks(height, stride), : blocks(width, stride)]


def enlarge_logits(logits: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Bilinear upsampling of (B, C, ceil(H / stride), ceil(W / stride)) by `stride`, cropped to `size` (H, W)."""
    if stride > 1:
        logits = F.interpolate(logits, scale_factor=stride, mode="bilinear", align_corners=False)
    return logits[..., : size[0], : size[1]]
