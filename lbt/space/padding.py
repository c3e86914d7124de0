"""Images of any size: padding to the coarsest stride, and cropping and upsampling of logits."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

COARSEST = 32


def count_blocks(length: int, side: int) -> int:
    """Number of blocks of `side` pixels that cover `length`: length / side, rounded up.

    The formula has no negative numbers, because ONNX and Python round their quotients in opposite directions.
    """
    return (length + side - 1) // side


def feature_size(size: tuple[int, int], scale: int) -> tuple[int, int]:
    """Height and width of a feature at 1/`scale` of an image of `size`, padding included."""
    height, width = (count_blocks(side, COARSEST) * COARSEST // scale for side in size)
    return height, width


def pad_images(images: Tensor) -> Tensor:
    """Pad (B, 3, H, W) with zeros, the mean colour, at the bottom and right to multiples of 32.

    The other two sides get no padding. So pixel (0, 0) of every feature stays at the image's corner, and a logit of
    stride s belongs to the same s x s pixels as without padding.
    """
    height, width = images.shape[-2:]
    right, bottom = (count_blocks(side, COARSEST) * COARSEST - side for side in (width, height))
    return F.pad(images, (0, right, 0, bottom))


def crop_logits(logits: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Drop the logits that cover only padding: (B, C, ceil(H / stride), ceil(W / stride)) for an image of `size`."""
    height, width = size
    return logits[..., : count_blocks(height, stride), : count_blocks(width, stride)]


def enlarge_logits(logits: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Upsample (B, C, ceil(H / stride), ceil(W / stride)) bilinearly by `stride` and crop to `size` (H, W)."""
    if stride > 1:
        logits = F.interpolate(logits, scale_factor=stride, mode="bilinear", align_corners=False)
    return logits[..., : size[0], : size[1]]


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsample logits bilinearly by the whole stride of the network, then crop them to the image.

    Logits of stride s have ceil(H / s) rows. If a side is not a multiple of s, interpolation straight to H rows would
    shift every pixel. Enlarging by s and dropping the surplus keeps each logit on its own pixels.

    Args:
        logits: (B, C, h, w) with h = ceil(H / s), w = ceil(W / s) for one power of two s; logits or probabilities.
        size: (H, W) in pixels, at least s.

    Returns:
        (B, C, H, W).

    Raises:
        ValueError: the two sizes belong to no stride.
    """
    return enlarge_logits(logits, size, find_stride((logits.shape[-2], logits.shape[-1]), size))


def find_stride(logits: tuple[int, int], size: tuple[int, int]) -> int:
    """The stride s, a power of two, at which an image of `size` (H, W) has `logits` (ceil(H / s), ceil(W / s)).

    Raises:
        ValueError: the two sizes belong to no stride.
    """
    (rows, columns), (height, width) = logits, size
    stride = 1
    while stride * rows < height or stride * columns < width:
        stride *= 2
    if (rows, columns) != (count_blocks(height, stride), count_blocks(width, stride)):
        raise ValueError(f"logits of {rows} x {columns} have no stride for an image of {height} x {width}")
    return stride
