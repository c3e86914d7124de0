"""Size of a network: parameters and multiply-accumulates."""

from __future__ import annotations

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from lbt.network.trainable import TrainableNetwork


def count_parameters(network: TrainableNetwork) -> int:
    """Number of parameters that inference uses: all except those of the heads that only training uses."""
    training_only = sum(p.numel() for p in network.auxiliary.parameters())
    return sum(p.numel() for p in network.parameters()) - training_only


def count_macs(network: TrainableNetwork, size: tuple[int, int]) -> int:
    """Multiply-accumulates of convolutions and matrix products in one forward pass on one image.

    The image has `size` (height, width). A copy on the meta device only propagates shapes, so nothing is computed.
    """
    shapes = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, 3, *size, device="meta"))
    return counter.get_total_flops() // 2
