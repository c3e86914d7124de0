"""Candidates: every path with the released margins, in the order of their probability, each network once."""

from itertools import groupby, product

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.candidates import list_candidates
from lbt.network.derivation_rule import build_branch, derive_genotype, path_scales
from lbt.network.genotype import Genotype
from lbt.space.architecture import SCALES, initial_architecture, probabilities

LEAST = {8: {8: 1}, 16: {8: 2, 16: 3}, 32: {8: 3, 16: 3, 32: 2}}
"""The release's least number of cells at each scale of a path, by the scale at which it ends."""


def draw(space, seed=0, skip=0.0):
    """Logits far apart; `skip` is added to those of the skip."""
    architecture = {k: 1000 * v for k, v in initial_architecture(space, torch.Generator().manual_seed(seed)).items()}
    for key, value in architecture.items():
        if key.startswith("alpha"):
            value[:, 0] += skip
    return architecture


def monotone_paths(layers, end):
    """All paths that end at `end`, as their downsampling layers, by trying every sequence of scales."""
    for scales in product(SCALES, repeat=layers):
        runs = [(scale, len(list(run))) for scale, run in groupby(scales)]
        if [scale for scale, _ in runs] == list(LEAST[end]) and all(count >= LEAST[end][s] for s, count in runs):
            yield tuple(layer for layer in range(layers - 1) if scales[layer + 1] > scales[layer])


@pytest.mark.parametrize("layers", [8, 9])
@pytest.mark.parametrize("branches", ["32", "16+32", "8+32"])
def test_every_pair_of_monotone_paths_is_a_candidate(layers, branches):
    space = SpaceSettings(layers=layers, branches=branches)
    architecture = draw(space, skip=-1e4)
    ends = sorted(map(int, branches.split("+")), reverse=True)
    expected = {
        downs: Genotype(tuple(build_branch(architecture, space, d) for d in downs))
        for downs in product(*(list(monotone_paths(layers, end)) for end in ends))
    }
    found = list_candidates(architecture, space, "search")
    assert {candidate.downsample_layers: candidate.genotype for candidate in found} == expected
    assert len(found) == len(expected) and {candidate.branch_scales for candidate in found} == {branches}


def test_the_number_of_candidates_of_the_published_space():
    counts = {"32": 45, "16+32": 540, "8+32": 45, "best": 585}
    for branches, count in counts.items():
        space = SpaceSettings(branches=branches)
        assert len(list_candidates(draw(space, skip=-1e4), space, "search")) == count


def computation(genotype):
    return tuple(tuple((c.operator, c.stride, c.width_twelfths) for c in b.cells) for b in genotype.branches)


@pytest.mark.parametrize("widths", [(12,), (6, 12)])
def test_equal_networks_are_listed_once_with_the_more_probable_path(widths):
    space = SpaceSettings(layers=9, width_twelfths=widths, min_length=1)
    architecture = draw(space, skip=1e4)
    for scale in SCALES:
        architecture[f"alpha.{scale}"][:, 1:] = torch.tensor([3.0, 2.0, 1.0, 0.0])  # a conv replaces every skip
    candidates = list_candidates(architecture, space, "search")
    pairs = list(product(*(list(monotone_paths(9, end)) for end in (32, 16))))
    networks = [Genotype(tuple(build_branch(architecture, space, path) for path in pair)) for pair in pairs]
    computed = [computation(candidate.genotype) for candidate in candidates]
    assert len(set(computed)) == len(computed) < len(pairs)
    assert set(computed) == set(map(computation, networks))  # widths alone make two networks different
    # all skips but those after a down are pruned, so with one width a path to 1/16 is one network wherever it goes down
    assert candidates[0].genotype == derive_genotype(architecture, space)
    assert candidates[0].probability == max(candidate.probability for candidate in candidates)


@pytest.mark.parametrize("branches", ["32", "16+32", "8+32"])
@pytest.mark.parametrize("seed", range(4))
def test_the_most_probable_comes_first_and_is_the_derived_network(branches, seed):
    space = SpaceSettings(layers=9, branches=branches)
    architecture = draw(space, seed)
    found = list_candidates(architecture, space, "search")
    assert found[0].genotype == derive_genotype(architecture, space)
    chances = [candidate.probability for candidate in found]
    assert chances == sorted(chances, reverse=True)
    assert [c.genotype for c in list_candidates(architecture, space, "consistent")] == [found[0].genotype]
    released = derive_genotype(architecture, space, rule="released")
    assert [c.genotype for c in list_candidates(architecture, space, "released")] == [released]


def test_the_probability_is_that_of_all_downs():
    space = SpaceSettings(layers=9)
    architecture = draw(space)
    weights = probabilities(architecture)
    for candidate in list_candidates(architecture, space, "search"):
        (a, b), (c,) = candidate.downsample_layers
        factors = weights["beta.16"][a - 1, 0], weights["beta.32"][b - 2, 0], weights["beta.16"][c - 1, 0]
        assert candidate.probability == pytest.approx(float(torch.stack(factors).double().prod()), rel=1e-5)
        assert candidate.paths == f"16:{c} / 32:{a},{b}"


def test_candidates_of_two_choices_of_ends_alternate():
    space = SpaceSettings(layers=9, branches="best")
    architecture = draw(space, skip=-1e4)
    found = list_candidates(architecture, space, "search")
    assert [c.branch_scales for c in found[:5]] == ["16+32", "8+32", "16+32", "8+32", "16+32"]
    for branches in ("16+32", "8+32"):
        alone = list_candidates(architecture, space.model_copy(update={"branches": branches}), "search")
        assert [c for c in found if c.branch_scales == branches] == alone
    released = list_candidates(architecture, space, "released")
    assert [c.branch_scales for c in released] == ["16+32", "8+32"] and released == found[:2]
    assert released[1].paths == f"8:- / 32:{','.join(map(str, released[1].downsample_layers[0]))}"


def test_listing_does_not_change_the_architecture():
    space = SpaceSettings(layers=8, branches="best")
    architecture = draw(space)
    before = {key: value.clone() for key, value in architecture.items()}
    first = list_candidates(architecture, space, "search")
    assert all(torch.equal(before[key], value) for key, value in architecture.items())
    assert list_candidates(architecture, space, "search") == first
    for candidate in first:
        for branch, downs in zip(candidate.genotype.branches, candidate.downsample_layers, strict=True):
            assert path_scales(downs, 8)[-1] == branch.scale
        assert Genotype.from_json(candidate.genotype.to_json(), space) == candidate.genotype


def test_an_architecture_of_another_space_is_refused():
    with pytest.raises(LbtError, match=r"layers = 9"):
        list_candidates(draw(SpaceSettings(layers=8)), SpaceSettings(layers=9), "search")
