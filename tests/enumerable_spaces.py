"""Spaces that are small enough to list all their networks, and logits that decide among them."""

import torch

from lbt.config import SpaceSettings
from lbt.space.architecture import Architecture, initial_architecture

SMALL = SpaceSettings(
    layers=4, base_width=4, branches="32", width_twelfths=(8,), operators=("conv", "zoom", "conv_2x", "zoom_2x")
)
TWO_WIDTHS = SMALL.model_copy(update={"width_twelfths": (4, 12), "operators": ("conv", "zoom_2x")})
TWO_PATHS = SMALL.model_copy(update={"layers": 5, "operators": ("zoom", "conv_2x")})
TWO_BRANCHES = TWO_PATHS.model_copy(update={"layers": 4, "branches": "16+32", "width_twelfths": (4, 12)})


def drawn(space: SpaceSettings, seed: int = 0, spread: float = 700) -> Architecture:
    logits = initial_architecture(space, torch.Generator().manual_seed(seed))
    return {key: spread * value for key, value in logits.items()}
