"""Networks are equal if they compute the same, whatever their layers, and whatever the names of their widths."""

from dataclasses import replace

import torch
from made_scores import BUDGETS

from lbt.config import SpaceSettings
from lbt.network.genotype import Branch, Cell, Genotype, list_computation
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.views.equal_networks import find_equal, say_equal
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_summary_table


def test_the_first_of_equal_networks_gives_the_name(networks):
    lbt, second, control = networks
    assert find_equal(networks) == {} and say_equal({}) == []
    same = [lbt, replace(second, computation=lbt.computation), replace(control, computation=lbt.computation)]
    equal = find_equal(same)
    assert equal == {("lbt", 1): ("lbt", 0), ("random", 0): ("lbt", 0)}
    assert say_equal(equal)[1] == "random, seed 0, is the same network as lbt, seed 0: their difference is noise."


def test_tables_name_equal_networks(networks, constant):
    same = [*networks[:2], replace(networks[2], computation=networks[1].computation)]
    for table in (make_latency_table(same), make_summary_table(same, constant, {}, BUDGETS)):
        assert any("random, seed 0, is the same network as lbt, seed 1" in warning for warning in table.warnings)


def test_equal_computations_have_equal_outputs():
    """Two widths of the same number of channels, and a chain at other layers, give the same logits."""
    space = SpaceSettings(layers=8, base_width=2, branches="32")

    def chain(*layers: int, width: int) -> Genotype:
        first = Cell(layers[0], 8, "conv", 1, width)
        downs = Cell(layers[1], 8, "conv", 2, 12), Cell(layers[2], 16, "conv", 2, 12)
        return Genotype((Branch(32, (first, *downs, Cell(layers[3], 32, "zoom", 1, space.head_twelfths))),))

    one, other = chain(0, 1, 4, 6, width=4), chain(1, 2, 5, 7, width=6)  # 8 channels each
    assert one != other and list_computation(one, space) == list_computation(other, space)
    assert list_computation(one, space) != list_computation(chain(0, 1, 4, 6, width=12), space)
    logits = []
    for genotype in (one, other):
        torch.manual_seed(0)
        logits.append(Network(genotype, space, 3).eval()(torch.ones(1, 3, 64, 64)))
    assert torch.equal(*logits)


def test_other_networks_differ():
    space = SpaceSettings(layers=8)
    found = {list_computation(random_genotype(space, torch.Generator().manual_seed(n)), space) for n in range(30)}
    assert len(found) == 30
