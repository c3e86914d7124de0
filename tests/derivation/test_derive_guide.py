"""The guide's network: full width, every cell there, and the released rule where nothing is pruned."""

from collections import Counter

import pytest
import torch
from stage_calls import call_stage

from lbt.config import SpaceSettings
from lbt.derivation.derive_guide import guide_genotype, random_guide
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.network.derivation_rule import candidate_paths, derive_genotype
from lbt.network.genotype import BRANCH_SCALES, Genotype, read_genotype
from lbt.space.architecture import architecture_to_json, initial_architecture


@pytest.fixture(params=[(4, "16+32"), (9, "8+32"), (16, "best"), (16, "32")], ids=str)
def space(request):
    layers, branches = request.param
    return SpaceSettings(layers=layers, branches=branches, min_length=2, head_twelfths=8)


def draw(space, seed):
    return {k: 1000 * v for k, v in initial_architecture(space, torch.Generator().manual_seed(seed)).items()}


@pytest.mark.parametrize("seed", range(4))
def test_the_guide_equals_the_derived_network_without_skips_at_full_width(space, seed):
    architecture = draw(space, seed)
    unpruned = {key: value.clone() for key, value in architecture.items()}
    for key, value in unpruned.items():
        if key.startswith("alpha"):
            value[:, 0] = -torch.inf  # as the release writes for its teacher
        if key.startswith("gamma"):
            value[:, -1] = 10_000
    found = guide_genotype(architecture, space)
    assert found == derive_genotype(unpruned, space, BRANCH_SCALES[space.branches][0])


def test_no_layer_is_pruned_even_if_all_prefer_a_skip(space):
    architecture = draw(space, 0)
    for key, value in architecture.items():
        if key.startswith("alpha"):
            value[:, 0] = 10_000
    before = {key: value.clone() for key, value in architecture.items()}
    genotype = guide_genotype(architecture, space)
    for branch in genotype.branches:
        assert [cell.layer for cell in branch.cells] == list(range(space.layers))
        assert {cell.width_twelfths for cell in branch.cells[:-1]} == {12}
        assert branch.cells[-1].width_twelfths == 8
        assert "skip" not in {cell.operator for cell in branch.cells}
    assert Genotype.from_json(genotype.to_json(), space) == genotype
    assert all(torch.equal(before[key], value) for key, value in architecture.items())


def test_random_guides_are_uniform_over_paths_and_operators():
    space, draws = SpaceSettings(layers=9), torch.Generator().manual_seed(0)
    paths, operators = Counter(), Counter()
    for _ in range(1000):
        cells = random_guide(space, draws).branches[0].cells
        paths[tuple(cell.layer for cell in cells if cell.stride == 2)] += 1
        operators[cells[0].operator] += 1
    assert set(paths) == set(candidate_paths(9, 32)) and set(operators) == {"conv", "zoom", "conv_2x", "zoom_2x"}
    for counts in (paths, operators):
        expected = counts.total() / len(counts)
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < 16.3  # p = 0.001 at 3 degrees


def test_the_stage_writes_a_genotype_and_draws_it_for_the_control(tmp_path):
    space = SpaceSettings(layers=5)
    architecture, output = tmp_path / "guide.json", tmp_path / "derived.json"
    write_json(architecture, architecture_to_json(draw(space, 1)))
    call_stage(
        "derive_guide",
        seed=3,
        method="lbt",
        space=space,
        architecture=architecture,
        genotype=output,
        log=tmp_path / "log.txt",
    )
    assert read_genotype(output, space) == guide_genotype(draw(space, 1), space)
    assert "lbt seed-3: 2 branches" in (tmp_path / "log.txt").read_text()
    drawn = []
    for seed in (3, 3, 4):
        call_stage("derive_guide", seed=seed, method="random", space=space, architecture=architecture, genotype=output)
        drawn.append(read_genotype(output, space))
    assert drawn[0] == drawn[1] != drawn[2]


def test_logits_of_another_space_are_refused_by_name(tmp_path):
    architecture = tmp_path / "guide.json"
    write_json(architecture, architecture_to_json(draw(SpaceSettings(layers=5), 1)))
    with pytest.raises(LbtError, match=r"guide\.json: alpha\.8 has shape"):
        call_stage(
            "derive_guide",
            seed=0,
            method="lbt",
            space=SpaceSettings(layers=6),
            architecture=architecture,
            genotype=tmp_path / "x.json",
        )
