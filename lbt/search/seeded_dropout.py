"""Dropout whose mask is the same in every pass that draws from the same seed.

It is the mask of the whole batch, whatever number of processes hold it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lbt.runtime.distributed import group


class SeededDropout(nn.Dropout):
    """PyTorch's dropout, but for the order in which it draws.

    PyTorch fills a mask in the order of memory, and a feature may lie there otherwise in channels-last layout and under
    forward derivatives. The derivative of a step would be that of another one then, with other units dropped.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of x with probability `p` and scale the others, in training."""
        if not self.training or self.p == 0:
            return x
        among = group()
        whole = among.size * len(x)
        kept = torch.empty((whole, *x.shape[1:]), dtype=x.dtype, device=x.device).bernoulli_(1 - self.p)
        kept = kept[among.rows(whole)]
        return x * kept.div_(1 - self.p)


def seed_dropouts(module: nn.Module) -> None:
    """Replace every dropout of a module by a `SeededDropout`, in place; it has no weights, so no name changes."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, SeededDropout(child.p))
        else:
            seed_dropouts(child)
