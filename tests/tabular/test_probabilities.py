"""Probabilities of all networks of a space, against the product of the choices, each looked up by itself."""

import math

import pytest
import torch
from enumerable_spaces import SMALL, TWO_BRANCHES, TWO_PATHS, TWO_WIDTHS, drawn

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.derivation_rule import candidate_paths, path_probability
from lbt.network.enumeration import list_genotypes
from lbt.network.genotype import Genotype
from lbt.space.architecture import Architecture, architecture_shapes, probabilities
from lbt.tabular.probabilities import GenotypeProbabilities


def brute_force(space: SpaceSettings, genotype: Genotype, architecture: Architecture) -> float:
    """The product of the probabilities of all choices, each looked up by itself."""
    weights, found = probabilities({key: value.double() for key, value in architecture.items()}), 1.0
    operators, widths = {}, {}
    for branch in genotype.branches:
        for cell in branch.cells:
            first = {8: 0, 16: 1, 32: 2}[cell.scale]
            row = weights[f"alpha.{cell.scale}"][cell.layer - first]
            operators[cell.layer, cell.scale] = float(row[space.operators.index(cell.operator)])
            if cell.layer < space.layers - 1:
                after = cell.scale * cell.stride
                row = weights[f"gamma.{after}"][cell.layer + 1 - {8: 1, 16: 1, 32: 2}[after]]
                widths[cell.layer + 1, after] = float(row[space.width_twelfths.index(cell.width_twelfths)])
        path = tuple(cell.layer for cell in branch.cells if cell.stride == 2)
        scores = {p: path_probability(weights, p, "consistent") for p in candidate_paths(space.layers, branch.scale)}
        found *= scores[path] / sum(scores.values())
    return found * math.prod([*operators.values(), *widths.values()])


@pytest.mark.parametrize("space", [SMALL, TWO_WIDTHS, TWO_PATHS, TWO_BRANCHES])
def test_probabilities_equal_the_product_of_the_choices_and_sum_to_one(space: SpaceSettings) -> None:
    architecture, genotypes = drawn(space), list_genotypes(space)
    found = GenotypeProbabilities(genotypes, space).log(architecture).exp()
    expected = [brute_force(space, genotype, architecture) for genotype in genotypes]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-9)
    assert max(expected) > 4 * min(expected)


def test_excluded_operator_gives_its_networks_the_probability_zero() -> None:
    architecture, genotypes = drawn(SMALL), list_genotypes(SMALL)
    architecture["alpha.8"][0, 1] = -torch.inf
    found = GenotypeProbabilities(genotypes, SMALL).log(architecture).exp()
    zoomed = torch.tensor([g.branches[0].cells[0].operator == "zoom" for g in genotypes])
    assert (found[zoomed] == 0).all() and (found[~zoomed] > 0).all()
    assert float(found.sum()) == pytest.approx(1.0, abs=1e-9)


def test_probabilities_need_an_architecture_of_the_space() -> None:
    other = {key: torch.zeros(shape) for key, shape in architecture_shapes(TWO_PATHS).items()}
    with pytest.raises(LbtError, match="operators"):
        GenotypeProbabilities(list_genotypes(SMALL), SMALL).log(other)


def test_space_that_leaves_the_branches_open_has_no_probabilities() -> None:
    space = TWO_BRANCHES.model_copy(update={"branches": "best"})
    with pytest.raises(LbtError, match=r"space\.branches"):
        GenotypeProbabilities(list_genotypes(space), space)
