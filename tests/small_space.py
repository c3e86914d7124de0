"""Fixtures: a search space small enough to compute everything twice, and latency tables with random entries."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.space.architecture import Architecture, initial_architecture
from lbt.space.supernet import Supernet

TABLE_KEY = TableKey("processor", "eager", "float32", 64, 96, 1, 5, "torch 2")


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
def architecture(space, generator) -> Architecture:
    """Logits so far from zero that no two choices have the same weight."""
    return {key: 500 * value for key, value in initial_architecture(space, generator).items()}


@pytest.fixture
def synthetic_table() -> Callable[[SpaceSettings], LatencyTable]:
    """A function from a space to its latency table, whose entries are unrelated random numbers."""

    def make(space: SpaceSettings) -> LatencyTable:
        parts = list_space_parts(space, TABLE_KEY.classes)
        values = torch.rand(len(parts), generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.1
        return LatencyTable(Path("table.csv"), TABLE_KEY, dict(zip(parts, values.tolist(), strict=True)))

    return make
