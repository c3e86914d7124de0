"""Recompute BatchNorm statistics from data if the running averages belong to other widths or weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.runtime.device import copy_many_
from lbt.space.supernet import Supernet
from lbt.space.widths import argmax_widths

Batch = TypeVar("Batch")


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Batch], forward: Callable[[Batch], Any]) -> None:
    """Replace running means and variances by their plain averages over `batches`, in place.

    Each BatchNorm sees all batches or none. Those that no batch passes through, such as those of other widths, keep
    their statistics. Nothing else of the module changes, neither its weights nor its train or evaluation mode.

    Args:
        module: holds the BatchNorms.
        batches: at least one.
        forward: runs the module on a batch; the result is ignored.

    Raises:
        ValueError: there are no batches.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d) and m.track_running_stats]
    buffers = [buffer for norm in norms for buffer in norm.buffers()]
    saved, momenta = [torch.empty_like(buffer) for buffer in buffers], [norm.momentum for norm in norms]
    copy_many_(saved, buffers)
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    for norm in norms:
        norm.train()
    for dtype in {buffer.dtype for buffer in buffers}:
        torch._foreach_zero_([buffer for buffer in buffers if buffer.dtype == dtype])
    count = 0
    try:
        for count, batch in enumerate(batches, 1):
            for norm in norms:
                norm.momentum = 1 / count  # the plain average; with None each BatchNorm would ask its own count
            forward(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        used = torch.stack([norm.get_buffer("num_batches_tracked") for norm in norms]).tolist() if norms else []
        per_norm = len(buffers) // max(len(norms), 1)
        unused = [place for place in range(len(buffers)) if not used[place // per_norm]]
        copy_many_([buffers[place] for place in unused], [saved[place] for place in unused])
        for part, training in modes:
            part.training = training
    if count == 0:
        raise ValueError("recalibrate: no batches")


def calibrate_supernet(
    supernet: Supernet, architecture: dict[str, Tensor], space: SpaceSettings, images: Iterable[Tensor]
) -> None:
    """Recompute the statistics at the most probable widths, in place; the supernet is in evaluation mode afterwards.

    The running averages of a search belong to no single network, because the widths changed from step to step.

    Args:
        supernet: the supernet.
        architecture: its logits.
        space: the search space.
        images: batches (B, 3, H, W).
    """
    widths = argmax_widths(architecture, space)
    with torch.no_grad():
        recalibrate(supernet, images, lambda batch: supernet(batch, architecture, widths))
    supernet.eval()
