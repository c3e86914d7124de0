from pathlib import Path

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.latency.parts import space_parts
from lbt.latency.table import LatencyTable, TableKey

CLASSES = 5


@pytest.fixture
def key():
    return TableKey("processor", "eager", "float32", 64, 96, 1, CLASSES, "torch 2")


@pytest.fixture
def synthetic_table(key):
    """A function from settings to a table whose entries are unrelated random numbers."""

    def make(space: SpaceSettings) -> LatencyTable:
        parts = space_parts(space, CLASSES)
        values = torch.rand(len(parts), generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.1
        return LatencyTable(Path("table.csv"), key, dict(zip(parts, values.tolist(), strict=True)))

    return make
