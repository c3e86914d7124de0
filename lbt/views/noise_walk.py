"""What noise alone does to an architecture: the run's optimiser on random gradients, to compare a search with.

The gradient of a softmax sums to 0 over a row of logits. Therefore the noise is white in each row after its mean is
removed. At each step it has the length of the search's own gradient at that step. Adam divides each logit's step by the
size of its own gradients, so it hardly matters how that length is shared between alpha, beta and gamma. Noise has no
memory: its gradients of two steps are independent. The mean of several, which `search.architecture.accumulate` asks
for, is noise too, and shorter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lbt.config import ArchitectureSettings
from lbt.space.architecture import Architecture
from lbt.training.optimizers import adam

KINDS = ("alpha", "beta", "gamma")
LOGITS = 16_384
"""Least number of logits that walk, in as many copies of the architecture as that takes.

The error of a distance is about 1 % of alpha and gamma and 2 % of beta, which has fewer logits.
"""
_BLOCK = 2**18
"""Random numbers that are drawn at once."""


def walk(
    initial: Mapping[str, Tensor], lengths: Sequence[float], settings: ArchitectureSettings, source: torch.Generator
) -> Architecture:
    """Move copies of an architecture by Adam on white noise.

    A step takes about 0.2 ms.

    Args:
        initial: the logits at the start of the search, on the CPU, in the order of `architecture_shapes`.
        lengths: norm of the search's gradient at each step, before clipping.
        settings: the optimiser; accumulation, clipping and weight decay act as in the search.
        source: a CPU generator.

    Returns:
        The logits of all copies at the end, with the keys of `initial` and the rows of one copy after another.
    """
    start = torch.cat([rows.flatten() for rows in initial.values()])
    copies = math.ceil(LOGITS / len(start))
    logits = start.repeat(copies, 1).requires_grad_()
    optimizer = adam([logits], settings)
    noise = _white_noise([(rows.shape[0], rows.shape[1]) for rows in initial.values()], copies, source)
    for length in _mean_lengths(lengths, settings.accumulate):
        logits.grad = next(noise) * min(length, settings.clip_norm)
        optimizer.step()
    ends = logits.detach().split([rows.numel() for rows in initial.values()], dim=1)
    return {key: end.reshape(-1, initial[key].shape[1]) for key, end in zip(initial, ends, strict=True)}


def distances(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, float]:
    """How far the logits of alpha, beta and gamma moved: root mean square, without the mean of each row.

    The mean of a row changes no probability.

    Args:
        before: the logits at the start.
        after: the logits at the end, of one or several copies of the architecture.
    """
    found = {}
    for kind in KINDS:
        squares = []
        for key, rows in before.items():
            if key.startswith(kind):
                moved = after[key].double().reshape(-1, *rows.shape) - rows.double()
                squares.append((moved - moved.mean(-1, keepdim=True)).square().flatten())
        found[kind] = math.sqrt(float(torch.cat(squares).mean()))
    return found


def _mean_lengths(lengths: Sequence[float], count: int) -> list[float]:
    """Root mean square length of the mean of each `count` independent gradients; a last group of fewer is dropped."""
    groups = (lengths[start : start + count] for start in range(0, len(lengths) - count + 1, count))
    return [math.hypot(*group) / count for group in groups]


def _white_noise(shapes: Sequence[tuple[int, int]], copies: int, source: torch.Generator) -> Iterator[Tensor]:
    """Gradients (copies, logits) without end; each copy's has the norm 1, or 0 if no row has a choice."""
    sizes = [rows * columns for rows, columns in shapes]
    steps = max(1, _BLOCK // (copies * sum(sizes)))
    while True:
        block = torch.randn(steps, copies, sum(sizes), generator=source)
        for part, (_, columns) in zip(block.split(sizes, dim=-1), shapes, strict=True):
            rows = part.unflatten(-1, (-1, columns))
            rows -= rows.mean(-1, keepdim=True)
        yield from block / block.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(block.dtype).tiny)
