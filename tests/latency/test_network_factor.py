"""The factor between networks and the sums of their parts."""

import pytest
import torch
from small_table import SPACE

from lbt.latency import network_factor
from lbt.latency.deployment import Deployment
from lbt.latency.network_factor import NETWORKS, measure_network_factor
from lbt.latency.parts import list_genotype_parts


def test_the_factor_is_the_median_over_networks_and_counts_all_parts_of_each(monkeypatch):
    """A pass takes 1, 2, 3, ... times as long in each further network; each part takes half a millisecond."""
    timed = []

    def time_in_turn(network, parts, *, runs, threads):
        module, (images,) = network
        timed.append((module, len(parts)))
        assert images.shape == (1, 3, 32, 64) and threads == 1 and runs >= 5
        return [1000.0, float(len(timed)), 0.0], len(parts) * 0.5

    drawn, draw = [], network_factor.random_genotype
    monkeypatch.setattr(network_factor, "time_in_turn", time_in_turn)
    monkeypatch.setattr(network_factor, "random_genotype", lambda *a: drawn.append(draw(*a)) or drawn[-1])
    found = measure_network_factor(SPACE, 3, (32, 64), Deployment("eager", "float32", torch.device("cpu"), 1))
    assert [count for _, count in timed] == [len(list_genotype_parts(genotype, SPACE, 3)) for genotype in drawn]
    assert len(set(drawn)) == NETWORKS and not any(module.training for module, _ in timed)
    ratios = sorted(2 * (n + 1) / count for n, (_, count) in enumerate(timed))
    assert found == pytest.approx(ratios[NETWORKS // 2])
