"""Size of a derived network: parameters and multiply-accumulates."""

from __future__ import annotations

import copy

import torch
from torch.utils.flop_counter import FlopCounterMode

from lbt.network.network import Network


def count_parameters(network: Network) -> int:
    """Parameters that inference uses: all but those of the training-only heads."""
    training_only = sum(p.numel() for p in network.auxiliary.parameters())
    return sum(p.numel() for p in network.parameters()) - training_only


def count_macs(network: Network, size: tuple[int, int]) -> int:
    """Multiply-accumulates of the convolutions in one forward pass on one image of `size` (height, width).

    Nothing is computed: shapes run through a copy on the meta device.
    """
    shapes = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, 3, *size, device="meta"))
    return counter.get_total_flops() // 2
