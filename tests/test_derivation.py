"""Random genotypes at a given latency: inside the tolerance, uniform after the constraint, or a clear refusal."""

from collections import Counter

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.derivation import draw_genotype
from lbt.errors import LbtError
from lbt.latency.expected import genotype_latency
from lbt.latency.parts import space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.space.random_genotype import random_genotype

SPACE = SpaceSettings(layers=4, base_width=2, width_twelfths=(6, 12))


@pytest.fixture
def table(tmp_path):
    key = TableKey("test", "eager", "float32", 64, 64, 1, 3, "none")
    parts = space_parts(SPACE, 3)
    return LatencyTable(tmp_path, key, {part: 0.01 * part.in_channels + 0.1 * part.scale for part in parts})


def test_a_draw_meets_the_latency_and_follows_the_seed(table):
    target = genotype_latency(random_genotype(SPACE, torch.Generator().manual_seed(5)), SPACE, table)
    drawn = [draw_genotype(SPACE, table, target, 0.02, seed) for seed in range(10)]
    for genotype in drawn:
        assert abs(genotype_latency(genotype, SPACE, table) - target) <= 0.02 * target
    assert len({str(g) for g in drawn}) > 1
    assert draw_genotype(SPACE, table, target, 0.02, 3) == drawn[3]


def test_without_a_target_every_latency_occurs(table):
    counts = Counter(
        round(genotype_latency(draw_genotype(SPACE, table, None, 0.1, s), SPACE, table), 1) for s in range(30)
    )
    assert len(counts) > 5


def test_an_unreachable_latency_names_the_reachable_range(table, monkeypatch):
    monkeypatch.setattr("lbt.derivation.DRAWS", 50)
    with pytest.raises(LbtError, match=r"none of 50 random architectures is within 10% of 0\.001 ms \(they reach"):
        draw_genotype(SPACE, table, 0.001, 0.1, 0)
