"""A network whose passes are timed, without those that come before it is warm."""

from __future__ import annotations

import time
from statistics import median
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lbt.config import Color
from lbt.inference.summary import Values, count_threads, number

_PASSES, _SECONDS = 5, 0.5
"""Warm passes of the first image, and the time after which there are no more."""
_SLOW = 5.0
"""A pass that takes this many times as long as in the profile is explained."""


class Segmenter(Protocol):
    """A network with its classes and their colours; a call takes an image (3, H, W) uint8 and gives labels (H, W)."""

    classes: tuple[str, ...]
    colors: tuple[Color, ...]

    def __call__(self, image: Tensor, /) -> Tensor: ...


class TimedNetwork:
    """From pixels to labels, with the time of each warm pass.

    The first pass of a size prepares kernels and memory and takes longer than later ones, so it does not count. The
    first image is computed several times, so that a single image has a time, too.

    Attributes:
        seconds: of the passes that count.
        sizes: height and width of the images so far.
    """

    def __init__(self, network: Segmenter) -> None:
        self.network = network
        self.seconds: list[float] = []
        self.sizes: set[tuple[int, ...]] = set()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Labels (H, W) of an image (H, W, 3) uint8."""
        image = torch.from_numpy(pixels).permute(2, 0, 1)
        is_first = not self.sizes
        labels = self._compute(image)
        while is_first and len(self.seconds) < _PASSES and sum(self.seconds) < _SECONDS:
            labels = self._compute(image)
        return labels

    def _compute(self, image: Tensor) -> np.ndarray:
        size = tuple(image.shape[1:])
        started = time.perf_counter()
        labels = self.network(image).cpu().numpy()  # which waits for a GPU
        if size in self.sizes:
            self.seconds.append(time.perf_counter() - started)
        self.sizes.add(size)
        return labels

    @property
    def milliseconds(self) -> float:
        """The median time of the passes that count; 0 without one."""
        return 1e3 * median(self.seconds) if self.seconds else 0.0

    def describe(self) -> str:
        """The time of a pass in words; empty before the first one."""
        if not self.seconds:
            return ""
        milliseconds, (height, width) = self.milliseconds, next(iter(self.sizes))
        sizes = f"of {width} x {height}" if len(self.sizes) == 1 else "of several sizes"
        count = f"{len(self.seconds)} warm pass{'es' if len(self.seconds) > 1 else ''}"
        return f"{milliseconds:.1f} ms ({1e3 / milliseconds:.1f} FPS), images {sizes}, median of {count}"


def explain_slow(
    profile: Values, input_size: tuple[int, int] | None, milliseconds: float, pixels: int, threads: int
) -> str:
    """Why a pass with several CPU threads may take far longer than in the profile; empty if it does not.

    Threads wait for each other many times in a pass. If another program occupies a core, each wait may take
    milliseconds.
    """
    median = number(profile, "median_ms")
    if not median or input_size is None or threads < 2:
        return ""
    factor = milliseconds / (median * max(1.0, pixels / (input_size[0] * input_size[1])))
    if factor < _SLOW:
        return ""
    return (
        f"This is {factor:.0f} times slower than the profile. If other programs use the processor, the "
        f"{count_threads(threads)} wait for each other; one thread is faster then: put OMP_NUM_THREADS=1 before the "
        "command."
    )
