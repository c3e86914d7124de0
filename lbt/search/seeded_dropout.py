"""Dropout whose mask is the same in every pass from the same seed, for any number of processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.runtime.distributed import Group


class SeededDropout(nn.Dropout):
    """PyTorch's dropout, except for the order of its random draws.

    PyTorch fills a mask in the order of memory. That order differs in channels-last layout and under forward
    derivatives, so a derivative would belong to another step, in which other units were dropped. Here the order follows
    the index, and the mask is that of the whole batch of all processes.

    Args:
        p: probability with which a unit is dropped.
        processes: the processes that share every batch.
    """

    def __init__(self, p: float, processes: Group) -> None:
        super().__init__(p)
        self.processes = processes

    def forward(self, x: Tensor) -> Tensor:
        """In training, drop units of x (B, ...) with probability `p` and scale the others."""
        if not self.training or self.p == 0:
            return x
        whole = self.processes.size * len(x)
        kept = torch.empty((whole, *x.shape[1:]), dtype=x.dtype, device=x.device).bernoulli_(1 - self.p)
        kept = kept[self.processes.rows(whole)]
        return x * kept.div_(1 - self.p)


def seed_dropouts(module: nn.Module, processes: Group) -> None:
    """Replace every dropout of a module by a `SeededDropout`, in place; it has no weights, so no name changes."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, SeededDropout(child.p, processes))
        else:
            seed_dropouts(child, processes)
