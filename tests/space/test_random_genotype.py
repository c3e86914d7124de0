from collections import Counter

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.space.derive import candidate_downs
from lbt.space.genotype import Genotype
from lbt.space.random_genotype import random_genotype


def test_draws_follow_the_generator(space):
    first, same, other = (random_genotype(space, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize("layers", [4, 7, 8, 16])
@pytest.mark.parametrize("branches", [1, 2])
def test_every_draw_is_a_genotype_of_the_space(layers, branches, generator):
    space = SpaceSettings(layers=layers, branches=branches)
    for _ in range(20):
        genotype = random_genotype(space, generator)
        assert Genotype.from_json(genotype.to_json(), space) == genotype
        assert len(genotype.branches) == branches


def chi_square(counts: Counter, choices: int) -> float:
    expected = counts.total() / choices
    return sum((count - expected) ** 2 / expected for count in counts.values()) + (choices - len(counts)) * expected


def test_paths_widths_and_operators_are_uniform(generator):
    space = SpaceSettings(layers=9, min_length=9)  # nothing is pruned, so layers and positions agree
    paths, widths, operators = Counter(), Counter(), Counter()
    for _ in range(1500):
        cells = random_genotype(space, generator).branches[0].cells
        paths[tuple(cell.layer for cell in cells if cell.stride == 2)] += 1
        widths[cells[4].width_twelfths] += 1
        operators[cells[0].operator] += 1
    assert set(paths) == set(candidate_downs(9, 32)) and len(paths) == 3
    assert chi_square(paths, 3) < 13.8  # p = 0.001
    assert chi_square(widths, 5) < 18.5
    # a skip gives way to one of the other four, so these four are uniform
    assert chi_square(operators, 4) < 16.3
