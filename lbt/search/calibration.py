"""BatchNorm statistics of the supernet for the widths at which it will be used."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.space.calibration import recalibrate
from lbt.space.supernet import Supernet
from lbt.space.widths import argmax_widths


def calibrate_supernet(
    supernet: Supernet, architecture: dict[str, Tensor], space: SpaceSettings, images: Iterable[Tensor]
) -> None:
    """Recompute the statistics at the most probable widths from batches (B, 3, H, W); leaves the supernet in eval mode.

    Running averages collected while widths changed from step to step belong to no single network.
    """
    widths = argmax_widths(architecture, space)
    with torch.no_grad():
        recalibrate(supernet, images, lambda batch: supernet(batch, architecture, widths))
    supernet.eval()
