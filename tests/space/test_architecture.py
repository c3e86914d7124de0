import json
import math

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.space.architecture import (
    alpha_row,
    architecture_from_json,
    architecture_shapes,
    architecture_to_json,
    beta_row,
    entropies,
    first_layer,
    gamma_row,
    initial_architecture,
    probabilities,
    scales_at,
    validate_architecture,
)


@pytest.mark.parametrize("layers", [4, 5, 16])
def test_every_row_belongs_to_exactly_one_place(layers):
    shapes = architecture_shapes(SpaceSettings(layers=layers))
    for scale in (8, 16, 32):
        nodes = [layer for layer in range(layers) if scale in scales_at(layer)]
        assert [alpha_row(layer, scale) for layer in nodes] == list(range(shapes[f"alpha.{scale}"][0]))
        entered = [layer for layer in nodes if layer > 0]
        assert [gamma_row(layer, scale) for layer in entered] == list(range(shapes[f"gamma.{scale}"][0]))
        if scale > 8:
            both = [layer for layer in nodes if layer > first_layer(scale)]
            assert [beta_row(layer, scale) for layer in both] == list(range(shapes[f"beta.{scale}"][0]))


def test_first_nodes_of_a_scale_have_no_row_of_beta():
    assert beta_row(1, 16) < 0 and beta_row(2, 32) < 0


def test_initial_architecture_follows_its_seed_and_is_nearly_uniform():
    space = SpaceSettings()
    one, same, other = (initial_architecture(space, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["alpha.8"], other["alpha.8"])
    assert max(value.abs().max() for value in one.values()) < 0.01
    assert {key: tuple(value.shape) for key, value in one.items()} == architecture_shapes(space)


def test_probabilities_keep_exact_zeros(space, architecture):
    architecture["alpha.8"][0] = torch.tensor([0.0, -torch.inf, 0.0, -torch.inf, -torch.inf])
    assert probabilities(architecture)["alpha.8"][0].tolist() == [0.5, 0, 0.5, 0, 0]


def test_entropies_of_uniform_decided_and_single_choices(space):
    uniform = {key: torch.zeros(shape) for key, shape in architecture_shapes(space).items()}
    assert entropies(uniform) == pytest.approx({"alpha": 1, "beta": 1, "gamma": 1})
    decided = {
        key: torch.full(shape, -torch.inf).index_fill(1, torch.tensor([1]), 0)
        for key, shape in architecture_shapes(space).items()
    }
    assert entropies(decided) == {"alpha": 0, "beta": 0, "gamma": 0}
    one_width = SpaceSettings(layers=4, width_twelfths=(12,))
    assert entropies(initial_architecture(one_width, torch.Generator()))["gamma"] == 0


def test_entropy_of_a_known_row(space):
    value = {key: torch.zeros(shape) for key, shape in architecture_shapes(space).items()}
    for key in ("beta.16", "beta.32"):
        value[key][:, 0] = math.log(3)  # probabilities 3/4, 1/4
    expected = (0.75 * math.log(4 / 3) + 0.25 * math.log(4)) / math.log(2)
    assert entropies(value)["beta"] == pytest.approx(expected)


def test_json_round_trip_is_exact(space, architecture):
    text = json.dumps(architecture_to_json(architecture))
    back = architecture_from_json(json.loads(text), space)
    assert all(torch.equal(back[key], architecture[key]) for key in architecture)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: a.pop("beta.32"), ["missing keys ['beta.32']"]),
        (lambda a: a.update({"delta.8": torch.zeros(1)}), ["unknown keys ['delta.8']"]),
        (lambda a: a.update({"gamma.8": torch.zeros(4, 5)}), ["gamma.8", "(4, 5)", "(4, 2)", "layers = 5"]),
        (lambda a: a["alpha.16"][2].fill_(math.nan), ["alpha.16[2]", "nan"]),
        (lambda a: a["alpha.32"][1].fill_(-math.inf), ["alpha.32[1]"]),
        (lambda a: a["beta.16"][0, 1].fill_(math.inf), ["beta.16[0]"]),
    ],
)
def test_bad_architectures_are_refused_by_place(space, architecture, spoil, words):
    spoil(architecture)
    with pytest.raises(LbtError) as caught:
        validate_architecture(architecture, space, "a.json")
    assert all(word in str(caught.value) for word in ["a.json", *words])


@pytest.mark.parametrize("value", [[], {"alpha.8": "no"}, {"alpha.8": [[1, 2], [3]]}, {"alpha.8": [[None]]}])
def test_json_of_another_kind_is_refused(space, value):
    with pytest.raises(LbtError, match=r"a\.json"):
        architecture_from_json(value, space, "a.json")
