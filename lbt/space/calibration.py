"""Recompute BatchNorm statistics from data if the running averages belong to other widths or weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.space.supernet import Supernet
from lbt.space.widths import argmax_widths

Batch = TypeVar("Batch")


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Batch], forward: Callable[[Batch], Any]) -> None:
    """Replace running means and variances by their plain averages over `batches`, in place.

    BatchNorms that no batch passes through, such as those of other widths, keep their statistics. Nothing else of the
    module changes, neither its weights nor its train or evaluation mode.

    Args:
        module: holds the BatchNorms.
        batches: at least one.
        forward: runs the module on a batch; the result is ignored.

    Raises:
        ValueError: there are no batches.
    """
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d) and m.track_running_stats]
    saved = [({name: buffer.clone() for name, buffer in norm.named_buffers()}, norm.momentum) for norm in norms]
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    count = 0
    try:
        for batch in batches:
            forward(batch)
            count += 1
    finally:
        for norm, (buffers, momentum) in zip(norms, saved, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked == 0:
                for name, buffer in buffers.items():
                    getattr(norm, name).copy_(buffer)
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
