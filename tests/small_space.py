"""A search space small enough to compute every thing twice."""

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.space.architecture import initial_architecture
from lbt.space.supernet import Supernet


@pytest.fixture
def space() -> SpaceSettings:
    return SpaceSettings(layers=5, base_width=2, width_twelfths=(6, 12), stem_twelfths=6, head_twelfths=6)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def supernet(space) -> Supernet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Supernet(space, num_classes=3)


@pytest.fixture
def architecture(space, generator) -> dict[str, torch.Tensor]:
    """Logits far enough from zero that no two choices weigh the same."""
    return {key: 500 * value for key, value in initial_architecture(space, generator).items()}
