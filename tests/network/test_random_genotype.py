from collections import Counter

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import build_branch, candidate_paths
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.network.random_genotype import _columns, _Path, random_genotype, to_genotype
from lbt.space.architecture import architecture_shapes


def test_draws_follow_the_generator(space):
    first, same, other = (random_genotype(space, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first == same != other


@pytest.mark.parametrize("layers", [4, 7, 8, 16])
@pytest.mark.parametrize("branches", ["32", "16+32", "best"])
def test_every_draw_is_a_genotype_of_the_space(layers, branches, generator):
    space = SpaceSettings(layers=layers, branches=branches)
    for _ in range(20):
        genotype = random_genotype(space, generator)
        assert Genotype.from_json(genotype.to_json(), space) == genotype
        assert tuple(b.scale for b in genotype.branches) in BRANCH_SCALES[branches]


@pytest.mark.parametrize("min_length", [None, 1, 3, 8])
@pytest.mark.parametrize("ends", [(32, 16), (32, 8)])
def test_a_draw_equals_the_derivation_from_logits_of_the_same_choices(ends, min_length, generator):
    """Each number of a draw, turned into logits of the same choices, gives the same cells."""
    space = SpaceSettings(layers=8, min_length=min_length)
    columns = _columns(space)
    for _ in range(40):
        row = torch.rand(len(columns), generator=generator, dtype=torch.float64).tolist()
        logits = {key: torch.zeros(shape) for key, shape in architecture_shapes(space).items()}
        for (key, place), column in columns.items():
            if key.startswith("gamma"):
                logits[key][place, int(row[column] * len(space.width_twelfths))] = 1.0
                continue
            best, rest = divmod(row[column] * 5, 1)
            logits[key][place, int(best)] = 5.0
            if best == 0:
                second, rank = divmod(rest * 4, 1)
                logits[key][place, 0] += rank
                logits[key][place, 1 + int(second)] = 1.0
        for end in ends:
            for downs in candidate_paths(space.layers, end):
                drawn = to_genotype([_Path(space, downs, columns).fill(row)]).branches[0]
                assert drawn == build_branch(logits, space, downs)


def test_the_two_choices_of_ends_are_equally_probable(generator):
    space = SpaceSettings(layers=4, branches="best")
    drawn = Counter(random_genotype(space, generator).branches[1].scale for _ in range(1000))
    assert set(drawn) == {16, 8} and chi_square(drawn, 2) < 10.8  # p = 0.001


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
    assert set(paths) == set(candidate_paths(9, 32)) and len(paths) == 3
    assert chi_square(paths, 3) < 13.8  # p = 0.001
    assert chi_square(widths, 5) < 18.5
    # one of the other four operators replaces a skip, so these four are uniform
    assert chi_square(operators, 4) < 16.3
