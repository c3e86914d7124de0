"""From passes over the data to optimiser steps."""

from __future__ import annotations


def steps_for(epochs: float, images: int, batch_size: int) -> int:
    """Number of steps of `batch_size` images that show `images` images about `epochs` times; at least 1."""
    return max(1, round(epochs * images / batch_size))
