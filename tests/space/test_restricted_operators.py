"""A space with fewer operators behaves as one with all of them in which the others have the logit minus infinity."""

import copy
import math
import re

import pytest
import torch
from pydantic import ValidationError

from lbt.config import OPERATORS, SpaceSettings
from lbt.derivation.derive_guide import guide_genotype, random_guide
from lbt.errors import LbtError
from lbt.latency.costs import NetworkCosts
from lbt.latency.expected import expected_latency, genotype_latency
from lbt.latency.least_cost import LeastCost
from lbt.latency.parts import list_space_parts
from lbt.network.derivation_rule import derive_genotype
from lbt.network.enumeration import list_genotypes
from lbt.network.genotype import Genotype
from lbt.network.random_genotype import random_genotype
from lbt.space.architecture import Architecture, architecture_shapes, entropies, initial_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import draw_random_widths

CHOSEN = ("skip", "zoom", "conv_2x")
LEFT = [OPERATORS.index(name) for name in CHOSEN]


@pytest.fixture
def restricted(space: SpaceSettings) -> SpaceSettings:
    return space.model_copy(update={"operators": CHOSEN})


@pytest.fixture
def logits(restricted: SpaceSettings, generator: torch.Generator) -> Architecture:
    return {key: 500 * value for key, value in initial_architecture(restricted, generator).items()}


def widen(logits: Architecture, space: SpaceSettings) -> Architecture:
    """The same architecture in the whole space."""
    found = {key: torch.full(shape, -torch.inf) for key, shape in architecture_shapes(space).items()}
    for key, rows in logits.items():
        found[key][:, LEFT if key.startswith("alpha") else slice(None)] = rows
    return found


def test_supernet_and_its_gradient(space, restricted, supernet, logits, generator) -> None:
    small = Supernet(restricted, num_classes=3)
    left_out = [name for name in supernet.state_dict() if re.match(r"cells\.\d+\.\d+\.\w+\.(conv|zoom_2x)\.", name)]
    kept = {name: w for name, w in supernet.state_dict().items() if name not in left_out}
    assert left_out and kept.keys() == small.state_dict().keys()
    small.load_state_dict(copy.deepcopy(kept))
    images, widths = torch.randn(2, 3, 64, 96, generator=generator), draw_random_widths(space, generator)
    gradients = []
    for net, given in ((small, logits), (supernet, widen(logits, space))):
        leaves = {key: value.clone().requires_grad_() for key, value in given.items()}
        outputs = net(images, leaves, widths)
        gradients.append(torch.autograd.grad(sum(o.square().sum() for o in outputs), leaves["alpha.8"])[0])
        gradients.append(torch.stack([o.detach() for o in outputs]))
    assert torch.equal(gradients[1], gradients[3])
    assert torch.equal(gradients[0], gradients[2][:, LEFT])
    others = [index for index in range(len(OPERATORS)) if index not in LEFT]
    assert (gradients[2][:, others] == 0).all() and gradients[0].abs().min() > 0


def test_expected_latency_needs_no_time_of_another_operator(space, restricted, logits, synthetic_table) -> None:
    whole = synthetic_table(space)
    parts = list_space_parts(restricted, whole.key.classes)
    assert {part.operator for part in parts} == {"", *CHOSEN}
    table = copy.copy(whole)
    object.__setattr__(table, "milliseconds", {part: whole.lookup(part) for part in parts})
    found = expected_latency(logits, restricted, table)
    assert float(found) == pytest.approx(float(expected_latency(widen(logits, space), space, whole)), rel=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_derivation(space, restricted, seed) -> None:
    source = torch.Generator().manual_seed(seed)
    logits = initial_architecture(restricted, source)
    found = derive_genotype(logits, restricted)
    assert found == derive_genotype(widen(logits, space), space)
    assert guide_genotype(logits, restricted) == guide_genotype(widen(logits, space), space)
    names = {cell.operator for g in (found, random_guide(restricted, source)) for b in g.branches for cell in b.cells}
    assert names <= {"zoom", "conv_2x"}


def test_entropies_are_fractions_of_the_largest_one_of_the_allowed_operators(restricted) -> None:
    logits = {key: torch.zeros(shape) for key, shape in architecture_shapes(restricted).items()}
    assert entropies(logits)["alpha"] == pytest.approx(1.0)
    for key in ("alpha.8", "alpha.16", "alpha.32"):
        logits[key][:, 0] = math.log(2)  # 1/2, 1/4, 1/4
    assert entropies(logits)["alpha"] == pytest.approx(1.5 * math.log(2) / math.log(3))
    alone = restricted.model_copy(update={"operators": ("zoom",)})
    logits = {key: torch.zeros(shape) for key, shape in architecture_shapes(alone).items()}
    assert entropies(logits)["alpha"] == 0.0


@pytest.mark.parametrize("operators", [("skip", "conv", "zoom"), ("conv", "zoom", "zoom_2x"), ("conv",)])
def test_random_genotypes_have_the_allowed_operators_equally_often(space, operators) -> None:
    restricted = space.model_copy(update={"operators": operators})
    source, counts = torch.Generator().manual_seed(0), dict.fromkeys(operators, 0)
    for _ in range(2000):
        genotype = random_genotype(restricted, source)
        Genotype.from_json(genotype.to_json(), restricted)
        if "skip" not in operators:
            assert all(len(branch.cells) == space.layers for branch in genotype.branches)
        counts[genotype.branches[0].cells[-1].operator] += 1
    counts.pop("skip", None)
    expected = 2000 / len(counts)
    assert all(abs(count - expected) < 5 * math.sqrt(expected) for count in counts.values())


def test_bounds_of_latency_are_those_of_all_networks(space, synthetic_table) -> None:
    restricted = space.model_copy(update={"operators": ("conv", "zoom"), "branches": "32", "layers": 4})
    table = synthetic_table(restricted)
    times = [genotype_latency(genotype, restricted, table) for genotype in list_genotypes(restricted)]
    for sign, extreme in ((1, min(times)), (-1, max(times))):
        found = LeastCost(NetworkCosts(restricted, table), sign).with_most_sharing((32,))
        assert sign * found == pytest.approx(extreme, rel=1e-9)


def test_genotype_with_another_operator_is_refused(space, restricted, generator) -> None:
    genotype = random_genotype(space.model_copy(update={"operators": ("conv",)}), generator)
    with pytest.raises(LbtError, match=r"operator: is conv, but the space has skip, zoom, conv_2x"):
        Genotype.from_json(genotype.to_json(), restricted)


@pytest.mark.parametrize(
    "operators,words",
    [(("skip",), "besides"), (("zoom", "conv"), "order"), (("conv", "conv"), "repeats"), ((), "besides")],
)
def test_settings_refuse(operators, words) -> None:
    with pytest.raises(ValidationError, match=words):
        SpaceSettings(operators=operators)
