"""Weights of the classes in a loss, so that rare classes count too."""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.data.class_pixels import ClassPixels


def enet_weights(counted: ClassPixels, offset: float) -> Tensor:
    """1 / ln(offset + f) for a class with the share f of all pixels (Paszke et al., arXiv 1606.02147, section 5.2).

    Args:
        counted: pixels of each class.
        offset: above 1; the paper has 1.02.

    Returns:
        (C,) float64, from 1 / ln(offset + 1) to 1 / ln(offset).
    """
    share = counted.pixels.double() / counted.pixels.sum()
    return 1 / (offset + share).log()


def median_frequency_weights(counted: ClassPixels) -> Tensor:
    """m / f, where f is a class's share of the pixels of the images that show it (Eigen and Fergus, ICCV 2015).

    m is the median of f over the classes that occur.

    Returns:
        (C,) float64; 0 for a class that does not occur, because no pixel has this weight.
    """
    share = counted.pixels.double() / counted.pixels_of_images.clamp(min=1)
    median = share[share > 0].quantile(0.5)
    return torch.where(share > 0, median / share, 0.0)
