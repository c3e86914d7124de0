import pytest
import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.latency.costs import NetworkCosts
from lbt.latency.expected import genotype_latency
from lbt.network.random_genotype import draw_random_branches, to_genotype

SPACES = [
    SpaceSettings(),
    SpaceSettings(layers=8, base_width=4, branches="best", min_length=1),
    SpaceSettings(layers=5, base_width=6, stem_twelfths=3, head_twelfths=7, branches="32"),
    SpaceSettings(layers=4, base_width=12, stem_twelfths=3, head_twelfths=7, branches="8+32", min_length=1),
]


@pytest.mark.parametrize("space", SPACES, ids=["default", "best", "one-branch", "odd-widths"])
def test_the_sum_is_that_of_the_genotype(space, synthetic_table):
    table = synthetic_table(space)
    costs, draws = NetworkCosts(space, table), draw_random_branches(space, torch.Generator().manual_seed(0))
    for _ in range(300):
        branches = next(draws)
        expected = genotype_latency(to_genotype(branches), space, table)
        assert costs.milliseconds(branches) == pytest.approx(expected, rel=1e-12)


def test_a_branch_of_one_cell_is_in_the_table(synthetic_table):
    """Nothing but one cell between a stem and a head whose widths no other cell has."""
    space = SPACES[3]
    costs, alone = NetworkCosts(space, synthetic_table(space)), ((2, 8, "zoom", 1, 7),)
    assert costs.milliseconds([alone]) == costs.fixed[1] + costs.cells["zoom", 1, 8, 3, 7]


def test_table_of_another_space_is_refused(synthetic_table):
    with pytest.raises(LbtError, match="another search space"):
        NetworkCosts(SpaceSettings(base_width=6), synthetic_table(SpaceSettings(base_width=12)))
