"""The class of each pixel from logits at the stride of a network, without the logits of most pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lbt.space.largest_logit import largest_logit
from lbt.space.padding import find_stride, upsample

_CACHED = 2**18
"""Logits that are computed together: 1 MB, which the cache of a CPU holds."""


def class_map(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The class of each pixel: `largest_logit(upsample(logits, size))`, up to rounding, in less time on a CPU.

    The logits of a pixel are a mean, with weights of 0 or more, of the logits at four corners around it. Where all four
    have the same largest class, the mean has it too, so only pixels near the borders of classes need to be computed.

    Args:
        logits: (B, C, ceil(H / s), ceil(W / s)) at a stride s, finite; logits or probabilities of at most 256 classes.
        size: height H and width W of the images in pixels.

    Returns:
        (B, H, W) uint8 in 0 ... C - 1.

    Raises:
        ValueError: the two sizes belong to no stride.
    """
    rows, columns = logits.shape[-2:]
    stride = find_stride((rows, columns), size)
    if stride == 1 or logits.device.type != "cpu":  # a GPU would have to wait for the number of pixels
        return largest_logit(upsample(logits, size)).to(torch.uint8)
    logits = logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits
    corners = F.pad(logits, (1, 1, 1, 1), mode="replicate")
    classes = corners.max(dim=1).indices
    first = classes[:, :-1, :-1]
    is_mixed = (first != classes[:, :-1, 1:]) | (first != classes[:, 1:, :-1]) | (first != classes[:, 1:, 1:])
    cells = first.to(torch.uint8).reshape(-1, 1).repeat(1, stride * stride)
    flat = corners.transpose(0, 1).reshape(logits.shape[1], -1)
    upper_left = torch.arange(flat.shape[1]).view(classes.shape)[:, :-1, :-1][is_mixed]
    together = max(1, _CACHED // (logits.shape[1] * stride * stride))
    for cell, corner in zip(is_mixed.flatten().nonzero().split(together), upper_left.split(together), strict=True):
        values = _interpolate(flat, corner, columns + 2, stride)
        cells[cell[:, 0]] = values.max(dim=0).indices.to(torch.uint8).flatten(1)
    images = cells.view(-1, rows + 1, columns + 1, stride, stride).transpose(2, 3)
    height, width = size
    half = stride // 2  # a corner is the middle of its stride x stride pixels
    return images.reshape(-1, (rows + 1) * stride, (columns + 1) * stride)[:, half : half + height, half : half + width]


def _interpolate(flat: Tensor, corner: Tensor, columns: int, stride: int) -> Tensor:
    """Logits (C, n, s, s) between four places of `flat` (C, ...): `corner` (n,), the next one, and two below."""
    weight = (torch.arange(stride, dtype=flat.dtype) + 0.5) / stride
    above, below = (
        torch.lerp(flat[:, corner + row, None], flat[:, corner + row + 1, None], weight) for row in (0, columns)
    )
    return torch.lerp(above[:, :, None], below[:, :, None], weight[:, None])
