"""The architecture A = (alpha, beta, gamma): logits over operators, predecessors and widths.

An architecture is a plain dict of float tensors, so it works as a pytree in `torch.func` and as a parameter group of
an optimiser. The rows follow the FasterSeg release (search/model_search.py); L is the number of layers, O the number
of operators that a cell may choose, five by default, and W the number of selectable widths.

| key | shape | row r describes | columns |
|---|---|---|---|
| `alpha.8`, `alpha.16`, `alpha.32` | (L, O), (L-1, O), (L-2, O) | the cell at layer r, r+1, r+2 | `space.operators` |
| `beta.16`, `beta.32` | (L-2, 2), (L-3, 2) | the feature entering layer r+2, r+3 | `PREDECESSORS` |
| `gamma.8`, `gamma.16`, `gamma.32` | (L-1, W), (L-1, W), (L-2, W) | the feature entering layer r+1, r+1, r+2 | widths |

Layer 1 at 1/16 and layer 2 at 1/32 have one predecessor, so they have no row of beta. The settings fix the widths of
the stem's output and of the last layer's output, so these have no row of gamma.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from lbt.config import OPERATORS as OPERATORS
from lbt.config import OperatorName as OperatorName
from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.runtime.seeding import generator

Scale = Literal[8, 16, 32]
"""Scale of a feature: 8 for a feature at 1/8 of the image's height and width."""
SCALES: tuple[Scale, ...] = get_args(Scale)
PREDECESSORS = ("down", "keep")
"""Where a feature comes from: `down` from the next finer scale, `keep` from its own scale."""

Architecture = dict[str, Tensor]
"""Logits, probabilities or gradients: one tensor for each key of the table above."""


def convolutions(space: SpaceSettings) -> tuple[OperatorName, ...]:
    """The operators that a derived network may have: derivation prunes or replaces every skip."""
    return tuple(name for name in space.operators if name != "skip")


def first_layer(scale: int) -> int:
    """First layer that has a cell at 1/`scale`: 0, 1, 2 for 8, 16, 32."""
    return SCALES.index(scale)


def alpha_row(layer: int, scale: int) -> int:
    """Row of `alpha.<scale>` of the cell at `layer`."""
    return layer - first_layer(scale)


def beta_row(layer: int, scale: int) -> int:
    """Row of `beta.<scale>` (16 or 32) of the feature that enters `layer`; negative if it has only one predecessor."""
    return layer - first_layer(scale) - 1


def gamma_row(layer: int, scale: int) -> int:
    """Row of `gamma.<scale>` of the feature that enters `layer` (1 to L-1)."""
    return layer - max(first_layer(scale), 1)


def scales_at(layer: int) -> tuple[Scale, ...]:
    """Scales that have a cell at `layer`: (8,), (8, 16), then all three."""
    return SCALES[: layer + 1]


def architecture_shapes(space: SpaceSettings) -> dict[str, tuple[int, int]]:
    """Shape of each tensor of an architecture."""
    layers, operators, widths = space.layers, len(space.operators), len(space.width_twelfths)
    return {
        "alpha.8": (layers, operators),
        "alpha.16": (layers - 1, operators),
        "alpha.32": (layers - 2, operators),
        "beta.16": (layers - 2, len(PREDECESSORS)),
        "beta.32": (layers - 3, len(PREDECESSORS)),
        "gamma.8": (layers - 1, widths),
        "gamma.16": (layers - 1, widths),
        "gamma.32": (layers - 2, widths),
    }


def initial_architecture(space: SpaceSettings, source: torch.Generator) -> Architecture:
    """Draw logits from a normal distribution of standard deviation 1e-3: nearly uniform choices without exact ties.

    Args:
        space: the search space.
        source: a CPU generator.

    Returns:
        float32 tensors on the CPU.
    """
    return {key: 1e-3 * torch.randn(shape, generator=source) for key, shape in architecture_shapes(space).items()}


def first_architecture(space: SpaceSettings, seed: int) -> Architecture:
    """The logits with which warm-up and search of a seed of the run begin; see `initial_architecture`."""
    return initial_architecture(space, generator(seed, "architecture"))


def validate_architecture(
    architecture: Mapping[str, Tensor], space: SpaceSettings, source: str = "architecture"
) -> None:
    """Check the keys and shapes, and that the softmax of every row exists.

    A logit may be minus infinity, which excludes the choice, if another logit of its row is finite.

    Raises:
        LbtError: a check failed; the message names `source`, the key and, if a row is wrong, the row.
    """
    shapes = architecture_shapes(space)
    missing, extra = sorted(set(shapes) - set(architecture)), sorted(set(architecture) - set(shapes))
    if missing or extra:
        raise LbtError(
            f"{source}: missing keys {missing}, unknown keys {extra}. An architecture has the keys {', '.join(shapes)}."
        )
    for key, shape in shapes.items():
        actual_shape = tuple(architecture[key].shape)
        if actual_shape != shape:
            raise LbtError(
                f"{source}: {key} has shape {actual_shape}, but space.layers = {space.layers}, "
                f"{len(space.operators)} operators and {len(space.width_twelfths)} widths need {shape}. "
                "Use the settings with which it was made."
            )
        logits = architecture[key].detach()
        bad = logits.isnan().any(-1) | (logits == torch.inf).any(-1) | (logits == -torch.inf).all(-1)
        if bad.any():
            row = int(bad.nonzero()[0])
            raise LbtError(
                f"{source}: {key}[{row}] = {logits[row].tolist()} has no softmax. Start again from the last good state."
            )


def probabilities(architecture: Mapping[str, Tensor]) -> Architecture:
    """Softmax of each row, differentiable: same keys and shapes, and each row sums to 1."""
    return {key: logits.softmax(-1) for key, logits in architecture.items()}


def entropies(architecture: Mapping[str, Tensor]) -> dict[str, float]:
    """Mean entropy of the rows of alpha, beta and gamma, each as a fraction of the largest possible entropy.

    Returns:
        `alpha`, `beta`, `gamma`: 1 for uniform choices, 0 for decided ones and for rows with a single choice.
    """
    result = {}
    for kind in ("alpha", "beta", "gamma"):
        rows = torch.cat([logits.detach().double() for key, logits in architecture.items() if key.startswith(kind)])
        entropy = torch.special.entr(rows.softmax(-1)).sum(-1).mean()
        choices = rows.shape[1]
        result[kind] = float(entropy / torch.log(torch.tensor(float(choices)))) if choices > 1 else 0.0
    return result


def architecture_to_json(architecture: Mapping[str, Tensor]) -> dict[str, list[list[float]]]:
    """Convert an architecture with finite logits to a JSON value; the round trip keeps every bit of a float32."""
    return {key: logits.detach().cpu().tolist() for key, logits in architecture.items()}


def architecture_from_json(value: Any, space: SpaceSettings, source: str = "architecture") -> Architecture:
    """Convert the value of `architecture_to_json` to an architecture (float32, CPU).

    Raises:
        LbtError: `value` is not an architecture of this space; the message begins with `source`.
    """
    if not isinstance(value, dict):
        raise LbtError(
            f"{source}: holds a {type(value).__name__} instead of an object with the keys of an architecture."
        )
    architecture = {}
    for key, rows in value.items():
        try:
            architecture[key] = torch.tensor(rows, dtype=torch.float32)
        except (TypeError, ValueError) as error:
            raise LbtError(
                f"{source}: {key} is not a matrix of numbers ({error}). Rerun the stage that made it."
            ) from error
    validate_architecture(architecture, space, source)
    return architecture
