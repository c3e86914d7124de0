import json
from itertools import groupby, product
from pathlib import Path

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.derivation_rule import (
    candidate_paths,
    choose_operators,
    derive_genotype,
    minimum_length,
    most_probable_path,
    path_scales,
)
from lbt.network.network import Network
from lbt.network.size import count_macs, count_parameters
from lbt.space.architecture import (
    OPERATORS,
    SCALES,
    architecture_from_json,
    architecture_shapes,
    initial_architecture,
)

HERE = Path(__file__).parent
RELEASED = json.loads((HERE / "fasterseg_arch_1.json").read_text())
LATENCY_FREE = json.loads((HERE / "fasterseg_arch_0.json").read_text())
DERIVED = json.loads((HERE / "fasterseg_derived.json").read_text())


@pytest.fixture(scope="module")
def released() -> dict[str, torch.Tensor]:
    value = {f"{kind}.{s}": rows for kind in ("alpha", "beta", "gamma") for s, rows in RELEASED[kind].items()}
    return architecture_from_json(value, SpaceSettings())


def random_architecture(case: dict) -> dict[str, torch.Tensor]:
    """The logits of a case of the released derivation."""
    rows = {"alpha": case["alpha"], "beta": [None, *case["beta"]], "gamma": case["ratio"]}
    return {
        f"{kind}.{scale}": torch.tensor(values[i])
        for kind, values in rows.items()
        for i, scale in enumerate(SCALES)
        if values[i] is not None
    }


@pytest.mark.parametrize("case", DERIVED, ids=lambda case: str(case["case"]))
@pytest.mark.parametrize(("end", "scale"), [("0", 8), ("1", 16), ("2", 32)])
def test_released_rule_derives_what_the_release_derives(case, end, scale):
    """The release's own code derived these branches of random architectures, skips and their pruning included."""
    expected = case["derived"][end]
    (branch,) = derive_genotype(random_architecture(case), SpaceSettings(), (scale,), rule="released").branches
    assert [OPERATORS.index(cell.operator) for cell in branch.cells] == expected["ops"]
    assert [SCALES.index(cell.scale) for cell in branch.cells] == expected["path"]
    assert [cell.width_twelfths for cell in branch.cells[:-1]] == expected["widths_twelfths"]


def test_rules_differ_at_one_sixteenth_only():
    different = {8: 0, 16: 0, 32: 0}
    for case, scale in product(DERIVED, SCALES):
        architecture, space = random_architecture(case), SpaceSettings()
        consistent = derive_genotype(architecture, space, (scale,), rule="consistent")
        different[scale] += consistent != derive_genotype(architecture, space, (scale,), rule="released")
    assert different[8] == different[32] == 0 and different[16] > len(DERIVED) // 2


@pytest.mark.parametrize(("scales", "name"), [((32, 16), "branches 1/32 + 1/16"), ((32, 8), "branches 1/32 + 1/8")])
def test_latency_free_network_has_the_published_size(scales, name):
    """The release's teacher arch_0: one width, no skips."""
    space = SpaceSettings(width_twelfths=(12,), stem_twelfths=12, head_twelfths=12)
    architecture = {key: torch.zeros(shape) for key, shape in architecture_shapes(space).items()}
    for kind in ("alpha", "beta"):
        for scale, rows_of_scale in LATENCY_FREE[kind].items():
            architecture[f"{kind}.{scale}"] = torch.tensor(rows_of_scale)
    for scale in SCALES:
        architecture[f"alpha.{scale}"][:, OPERATORS.index("skip")] = -torch.inf
    network = Network(derive_genotype(architecture, space, scales, rule="released"), space, 19)
    expected = LATENCY_FREE["expected"][name]
    assert count_parameters(network) == expected["parameters"]
    assert round(count_macs(network, (1024, 2048)) / 1e9, 3) == expected["conv_gmacs_1024x2048_19_classes"]


@pytest.mark.parametrize("scale", [32, 16, 8])
def test_released_architecture_cell_by_cell(released, scale):
    expected = RELEASED["expected"][f"branch ending at 1/{scale}"]
    (branch,) = derive_genotype(released, SpaceSettings(), (scale,)).branches
    assert [OPERATORS.index(cell.operator) for cell in branch.cells] == expected["operators"]
    assert [SCALES.index(cell.scale) for cell in branch.cells] == expected["scale index per layer"]
    assert [cell.width_twelfths for cell in branch.cells[:-1]] == expected["width twelfths"]
    assert branch.cells[-1].width_twelfths == 8


def test_released_network_has_the_published_size(released):
    """The order of the operators matters here: another one gives other counts."""
    expected = RELEASED["expected"]["network of branches 1/32 and 1/16, 19 classes"]
    network = Network(derive_genotype(released, SpaceSettings()), SpaceSettings(), 19)
    assert count_parameters(network) == expected["parameters of the inference graph"]
    total = sum(p.numel() for p in network.parameters())
    assert total == expected["parameters with the two training-only heads (1/16, 1/32)"]
    assert count_macs(network, (1024, 2048)) == expected["convolution multiply-accumulates at 1024x2048"]


def test_derivation_is_pure_and_branches_are_independent(released):
    before = {key: value.clone() for key, value in released.items()}
    both = derive_genotype(released, SpaceSettings(), (32, 16, 8))
    assert all(torch.equal(before[key], value) for key, value in released.items())
    for branch in both.branches:
        assert derive_genotype(released, SpaceSettings(), (branch.scale,)).branches == (branch,)


@pytest.mark.parametrize("layers", [8, 9, 12])
@pytest.mark.parametrize("end", [8, 16, 32])
def test_candidates_are_all_paths_with_the_released_margins(layers, end):
    least = {8: {8: 1}, 16: {8: 2, 16: 3}, 32: {8: 3, 16: 3, 32: 2}}[end]
    expected = set()
    for scales in product(SCALES[: SCALES.index(end) + 1], repeat=layers):
        runs = {scale: len(list(run)) for scale, run in groupby(scales)}
        steps = list(runs)
        monotone = list(scales) == sorted(scales) and steps == list(least)
        if monotone and all(runs[scale] >= count for scale, count in least.items()):
            expected.add(scales)
    assert {tuple(path_scales(downs, layers)) for downs in candidate_paths(layers, end)} == expected


@pytest.mark.parametrize("layers", range(4, 20))
@pytest.mark.parametrize("end", [8, 16, 32])
@pytest.mark.parametrize("rule", ["released", "consistent"])
def test_every_number_of_layers_has_a_path(layers, end, rule):
    space = SpaceSettings(layers=layers)
    architecture = initial_architecture(space, torch.Generator().manual_seed(layers))
    downs = most_probable_path(architecture, layers, end, rule)
    scales = path_scales(downs, layers)
    assert scales[0] == 8 and scales[-1] == end and layers - 1 not in downs
    derive_genotype(architecture, space, rule=rule)


@pytest.mark.parametrize("rule", ["released", "consistent"])
def test_path_has_the_largest_product(rule):
    """Three paths compete; the product decides, not the best single factor."""
    layers = 9
    architecture = {key: torch.zeros(s) for key, s in architecture_shapes(SpaceSettings(layers=layers)).items()}
    architecture["beta.16"][1, 0] = 3.0  # first down at layer 2
    architecture["beta.32"][3, 0] = 1.0  # second down at layer 5
    architecture["beta.16"][2, 0] = 3.5  # first down at layer 3, which leaves only layer 6 for the second
    architecture["beta.32"][4, 0] = -9.0
    assert most_probable_path(architecture, layers, 32, rule) == (2, 5)


@pytest.mark.parametrize("down", [1, 3, 5])
def test_a_down_has_the_probability_of_the_feature_it_makes(down):
    architecture = {key: torch.zeros(s) for key, s in architecture_shapes(SpaceSettings(layers=9)).items()}
    architecture["beta.16"][down - 1, 0] = 1.0  # the feature that enters layer down + 1; the first row is layer 2's
    assert most_probable_path(architecture, 9, 16, "consistent") == (down,)


def rows(*best: str, skip: float = 5.0) -> list[torch.Tensor]:
    made = []
    for i, name in enumerate(best):
        row = torch.linspace(0, 0.4, 5)  # zoom_2x is the runner-up everywhere
        row[OPERATORS.index(name)] = skip + 0.1 * i if name == "skip" else 5.0
        made.append(row)
    return made


def test_skips_are_pruned_most_probable_first_until_the_minimum():
    given = rows("conv", "skip", "skip", "skip", "conv", "zoom")
    assert choose_operators(given, (), 4) == ["conv", "zoom_2x", None, None, "conv", "zoom"]
    assert choose_operators(given, (), 1) == ["conv", None, None, None, "conv", "zoom"]
    assert choose_operators(given, (), 6) == ["conv", "zoom_2x", "zoom_2x", "zoom_2x", "conv", "zoom"]


def test_a_stretch_after_a_down_keeps_its_least_probable_skip():
    given = rows("conv", "conv", "skip", "skip", "conv", "skip", "skip")
    assert choose_operators(given, (1, 4), 1) == ["conv", "conv", "zoom_2x", None, "conv", "zoom_2x", None]


def test_no_other_skip_is_pruned_in_place_of_one_that_must_stay():
    """As in the release: of the three most probable skips one must stay, and no fourth is pruned instead."""
    given = rows("skip", "conv", "skip", "skip", "skip")
    assert choose_operators(given, (1,), 2) == ["zoom_2x", "conv", "zoom_2x", None, None]


def test_a_convolution_replaces_a_skip_of_stride_2():
    assert choose_operators(rows("conv", "skip", "conv"), (1,), 1) == ["conv", "zoom_2x", "conv"]


def test_the_minimum_length_follows_the_setting_or_the_released_rule():
    assert [minimum_length(SpaceSettings(), scale) for scale in (8, 16, 32)] == [5, 7, 9]
    assert minimum_length(SpaceSettings(min_length=3), 32) == 3
    assert minimum_length(SpaceSettings(layers=4), 32) == 4


def test_the_last_cell_has_the_heads_width_even_if_the_end_is_pruned():
    space = SpaceSettings(layers=8, head_twelfths=10, min_length=2)
    architecture = initial_architecture(space, torch.Generator().manual_seed(0))
    architecture["alpha.8"][:, 0] = torch.tensor([-1.0, 1, -1, 1, 1, 1, 1, 1])
    (branch,) = derive_genotype(architecture, space, (8,)).branches
    assert [cell.layer for cell in branch.cells] == [0, 2]
    assert branch.cells[-1].width_twelfths == 10


@pytest.mark.parametrize(
    ("branches", "ends"), [("32", [32]), ("16+32", [32, 16]), ("8+32", [32, 8]), ("best", [32, 16])]
)
def test_the_setting_decides_where_branches_end(released, branches, ends):
    genotype = derive_genotype(released, SpaceSettings(branches=branches))
    assert [branch.scale for branch in genotype.branches] == ends


def test_architecture_of_another_space_is_refused(released):
    with pytest.raises(LbtError, match="layers = 8"):
        derive_genotype(released, SpaceSettings(layers=8))
