"""Widths of the features between layers: channel counts, and the choice of one width per feature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.space.architecture import SCALES, architecture_shapes, gamma_row

CHANNEL_MULTIPLE = 8
WidthPass = Callable[[Mapping[str, Tensor]], "Widths"]
"""The widths of one pass of the supernet, as a function of the architecture A."""


def channels(base_width: int, scale: int, twelfths: int) -> int:
    """Channels of a feature: `scale` * F * twelfths / 12, rounded to the nearest multiple of 8, at least 8.

    Multiples of 8 are fastest on every backend. With F = 12 all numbers are multiples of 8.

    Args:
        base_width: F.
        scale: 8, 16 or 32 for a feature at 1/8, 1/16 or 1/32; the stem's earlier features use 4.
        twelfths: width ratio in twelfths.
    """
    unit = 12 * CHANNEL_MULTIPLE
    return CHANNEL_MULTIPLE * max(1, (scale * base_width * twelfths + unit // 2) // unit)


def channel_choices(space: SpaceSettings, layer: int, scale: int) -> tuple[int, ...]:
    """Channels that the feature entering `layer` at 1/`scale` can have, one per width index.

    The stem's output enters layer 0; `layer` L means the last layer's output. Both have one width.
    """
    if layer == 0:
        twelfths: tuple[int, ...] = (space.stem_twelfths,)
    elif layer == space.layers:
        twelfths = (space.head_twelfths,)
    else:
        twelfths = space.width_twelfths
    return tuple(channels(space.base_width, scale, width) for width in twelfths)


@dataclass(frozen=True)
class Widths:
    """One width per feature that enters layers 1 to L-1.

    Attributes:
        indices: `gamma.8`, `gamma.16`, `gamma.32` -> index into `space.width_twelfths` for each row of gamma.
        factors: like `indices`, float tensors (rows,) of exact ones. Their gradient is that of the chosen width's
            probability (straight-through). None if the widths do not depend on gamma.
    """

    indices: Mapping[str, tuple[int, ...]]
    factors: Mapping[str, Tensor] | None = field(default=None, compare=False)

    def index(self, layer: int, scale: int) -> int:
        """Width index of the feature that enters `layer`; 0 at layers 0 and L, which have one width."""
        rows = self.indices[f"gamma.{scale}"]
        row = gamma_row(layer, scale)
        return rows[row] if layer > 0 and row < len(rows) else 0

    def factor(self, layer: int, scale: int) -> Tensor | None:
        """Straight-through factor of the feature that enters `layer`, 0-d; None if it has none."""
        if self.factors is None:
            return None
        rows = self.factors[f"gamma.{scale}"]
        row = gamma_row(layer, scale)
        return rows[row] if layer > 0 and row < len(rows) else None


def _gamma_shapes(space: SpaceSettings) -> dict[str, tuple[int, int]]:
    shapes = architecture_shapes(space)
    return {f"gamma.{scale}": shapes[f"gamma.{scale}"] for scale in SCALES}


def max_widths(space: SpaceSettings) -> Widths:
    """The widest choice everywhere."""
    return Widths({key: (columns - 1,) * rows for key, (rows, columns) in _gamma_shapes(space).items()})


def min_widths(space: SpaceSettings) -> Widths:
    """The narrowest choice everywhere."""
    return Widths({key: (0,) * rows for key, (rows, _) in _gamma_shapes(space).items()})


def draw_random_widths(space: SpaceSettings, generator: torch.Generator) -> Widths:
    """Independent uniform choices from a CPU generator."""
    return Widths(
        {
            key: tuple(torch.randint(columns, (rows,), generator=generator).tolist())
            for key, (rows, columns) in _gamma_shapes(space).items()
        }
    )


def argmax_widths(architecture: Mapping[str, Tensor], space: SpaceSettings) -> Widths:
    """The most probable width everywhere; the narrowest of equally probable ones."""
    return Widths({key: tuple(architecture[key].detach().argmax(-1).tolist()) for key in _gamma_shapes(space)})


def draw_gumbel_noise(space: SpaceSettings, generator: torch.Generator, scale: float = 1.0) -> dict[str, Tensor]:
    """Gumbel noise with the shapes of gamma, float32, from a CPU generator.

    Args:
        space: the search space.
        generator: the same state gives the same noise up to its scale.
        scale: factor on standard noise. The largest of gamma plus the noise is a draw from softmax(gamma / scale). A
            search that lowers the scale anneals its widths, as ASAP anneals operators (Noy et al., AISTATS 2020).
    """
    # One in about 2^24 exponential samples is zero; the clamp keeps the noise finite.
    tiny = torch.finfo(torch.float32).tiny
    return {
        key: -scale * torch.empty(shape).exponential_(generator=generator).clamp_min(tiny).log()
        for key, shape in _gamma_shapes(space).items()
    }


def sample_widths(
    architecture: Mapping[str, Tensor],
    space: SpaceSettings,
    noise: Mapping[str, Tensor],
    temperature: float = 1.0,
) -> Widths:
    """Sample each width by a hard Gumbel softmax with a straight-through gradient (Jang et al. 2017, eq. 2).

    Args:
        architecture: holds gamma; gradients reach it through `Widths.factors`.
        space: the search space.
        noise: from `draw_gumbel_noise`; the same noise and gamma give the same widths.
        temperature: positive; a smaller one makes the relaxed probabilities, and so the gradient, more one-hot.
    """
    indices, factors = {}, {}
    for key in _gamma_shapes(space):
        gamma = architecture[key]
        relaxed = ((gamma.log_softmax(-1) + noise[key].to(gamma)) / temperature).softmax(-1)
        chosen = relaxed.detach().argmax(-1, keepdim=True)
        probability = relaxed.gather(-1, chosen).squeeze(-1)
        indices[key] = tuple(chosen.squeeze(-1).tolist())
        factors[key] = 1 + (probability - probability.detach())
    return Widths(indices, factors)


def draw_width_passes(
    kinds: Sequence[str],
    space: SpaceSettings,
    generator: torch.Generator,
    temperature: float = 1.0,
) -> tuple[WidthPass, ...]:
    """The passes of a step, over which its loss is summed.

    Args:
        kinds: `sampled` from gamma with noise of its own, `max` or `min`, for each pass.
        space: the search space.
        generator: a CPU generator, from which only the sampled passes draw.
        temperature: sampled widths have the probabilities softmax(gamma / temperature).
    """

    def draw(kind: str) -> WidthPass:
        if kind == "sampled":
            noise = draw_gumbel_noise(space, generator, temperature)
            return lambda architecture: sample_widths(architecture, space, noise)
        fixed = {"max": max_widths, "min": min_widths}[kind](space)
        return lambda architecture: fixed

    return tuple(draw(kind) for kind in kinds)
