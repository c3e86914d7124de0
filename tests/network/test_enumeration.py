"""All networks of a space: their number and their text, against derivations of many architectures."""

from itertools import product

import pytest
from enumerable_spaces import SMALL, TWO_BRANCHES, TWO_PATHS, TWO_WIDTHS, drawn

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.derivation_rule import derive_genotype
from lbt.network.enumeration import (
    MOST_GENOTYPES,
    count_genotypes,
    genotype_text,
    list_genotypes,
)
from lbt.network.genotype import list_computation


def test_small_space_has_256_networks_that_all_compute_something_else() -> None:
    found = list_genotypes(SMALL)
    assert len(found) == count_genotypes(SMALL) == 4**4
    assert len({list_computation(genotype, SMALL) for genotype in found}) == 256
    assert {tuple(cell.operator for cell in g.branches[0].cells) for g in found} == set(
        product(SMALL.operators, repeat=4)
    )
    assert {tuple(cell.stride for cell in g.branches[0].cells) for g in found} == {(1, 2, 2, 1)}
    assert {cell.width_twelfths for g in found for cell in g.branches[0].cells} == {8}


@pytest.mark.parametrize(
    "space,count",
    [
        (TWO_WIDTHS, 2**4 * 2**3),
        # Downs at (1, 2), (1, 3) and (2, 3): candidates without the release's distances.
        (TWO_PATHS, 3 * 2**5),
        # To 1/32 with downs at 1 and 2, to 1/16 with a down at 1: the first three cells and two features are common.
        (TWO_BRANCHES, 2**5 * 2**4),
    ],
)
def test_derivations_of_many_architectures_are_exactly_the_listed_networks(space: SpaceSettings, count: int) -> None:
    listed = {genotype_text(genotype) for genotype in list_genotypes(space)}
    assert len(listed) == count == count_genotypes(space)
    derived = {genotype_text(derive_genotype(drawn(space, seed), space)) for seed in range(8 * count)}
    assert derived <= listed and len(derived) > 0.95 * count


@pytest.mark.parametrize(
    "space,word",
    [
        (SpaceSettings(layers=4, branches="32"), "skip"),
        (SMALL.model_copy(update={"layers": 16}), str(MOST_GENOTYPES)),
    ],
)
def test_space_whose_networks_cannot_be_listed_is_refused(space: SpaceSettings, word: str) -> None:
    with pytest.raises(LbtError, match=word):
        list_genotypes(space)
