import pytest
import torch

from lbt.config import SpaceSettings
from lbt.space.architecture import initial_architecture
from lbt.space.widths import (
    Widths,
    argmax_widths,
    channel_choices,
    channels,
    draw_gumbel_noise,
    draw_random_widths,
    max_widths,
    min_widths,
    sample_widths,
)


def test_channels_of_the_published_space_are_not_rounded():
    assert [channels(12, 8, t) for t in (4, 6, 8, 10, 12)] == [32, 48, 64, 80, 96]
    assert [channels(12, 32, t) for t in (4, 6, 8, 10, 12)] == [128, 192, 256, 320, 384]
    assert channels(12, 4, 8) == 32


@pytest.mark.parametrize("base_width", [2, 3, 5, 8, 10, 13])
def test_channels_are_the_nearest_multiple_of_8(base_width):
    for scale in (4, 8, 16, 32):
        for twelfths in range(1, 13):
            exact, found = scale * base_width * twelfths / 12, channels(base_width, scale, twelfths)
            assert found % 8 == 0 and found >= 8
            assert abs(found - exact) <= 4 + 1e-9 or (found == 8 and exact < 4)


def test_stem_and_head_have_one_width():
    space = SpaceSettings(layers=6)
    assert channel_choices(space, 0, 8) == (64,)
    assert channel_choices(space, 6, 32) == (256,)
    assert channel_choices(space, 3, 16) == (64, 96, 128, 160, 192)


def test_a_width_is_found_by_layer_and_scale():
    widths = Widths({"gamma.8": (1, 2, 3), "gamma.16": (4, 5, 6), "gamma.32": (7, 8)})
    assert [widths.index(layer, 8) for layer in range(5)] == [0, 1, 2, 3, 0]
    assert [widths.index(layer, 16) for layer in range(1, 5)] == [4, 5, 6, 0]
    assert [widths.index(layer, 32) for layer in range(2, 5)] == [7, 8, 0]
    assert widths.factor(1, 8) is None


def test_max_and_min_widths_are_the_last_and_the_first_choice(space):
    assert set(max_widths(space).indices["gamma.16"]) == {1}
    assert set(min_widths(space).indices["gamma.16"]) == {0}
    assert {key: len(rows) for key, rows in max_widths(space).indices.items()} == {
        "gamma.8": 4,
        "gamma.16": 4,
        "gamma.32": 3,
    }


def test_random_widths_follow_the_generator_and_use_every_choice():
    space = SpaceSettings(layers=16)
    first, second = (draw_random_widths(space, torch.Generator().manual_seed(5)) for _ in range(2))
    assert first == second
    assert {index for rows in first.indices.values() for index in rows} == {0, 1, 2, 3, 4}


def test_argmax_widths_are_the_most_probable_ones(space, architecture):
    for row, index in enumerate([1, 0, 0, 1]):
        architecture["gamma.8"][row, index] = 9.0
    assert argmax_widths(architecture, space).indices["gamma.8"] == (1, 0, 0, 1)


def test_the_same_noise_gives_the_same_widths(space, architecture, generator):
    noise = draw_gumbel_noise(space, generator)
    assert sample_widths(architecture, space, noise) == sample_widths(architecture, space, noise)


@pytest.mark.parametrize("scale", [1.0, 0.25, 3.0])
def test_samples_have_the_probabilities_of_gamma(scale):
    """Gumbel-max theorem: the argmax of logits plus Gumbel noise is a draw from the softmax of logits / scale."""
    space = SpaceSettings(layers=4)
    architecture = initial_architecture(space, torch.Generator().manual_seed(0))
    architecture["gamma.8"][0] = torch.tensor([0.1, 0.2, 0.3, 0.25, 0.15]).log()
    generator, draws, counts = torch.Generator().manual_seed(1), 3000, torch.zeros(5)
    for _ in range(draws):
        counts[sample_widths(architecture, space, draw_gumbel_noise(space, generator, scale)).index(1, 8)] += 1
    expected = draws * (architecture["gamma.8"][0] / scale).softmax(0)
    assert ((counts - expected) ** 2 / expected).sum() < 18.5  # chi-square, 4 degrees of freedom, p = 0.001


def test_noise_of_scale_0_gives_the_most_probable_widths(space, architecture, generator):
    noise = draw_gumbel_noise(space, generator, 0.0)
    assert sample_widths(architecture, space, noise) == argmax_widths(architecture, space)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_factors_are_exactly_one_and_have_the_gradient_of_the_softmax(space, architecture, generator, temperature):
    noise = draw_gumbel_noise(space, generator)
    gamma = architecture["gamma.16"].requires_grad_()
    widths = sample_widths(architecture, space, noise, temperature)
    factors = widths.factors["gamma.16"]
    assert factors.tolist() == [1.0] * 4
    (gradient,) = torch.autograd.grad(factors.sum(), gamma)
    p = ((gamma.detach().double() + noise["gamma.16"]) / temperature).softmax(-1)
    for row, chosen in enumerate(widths.indices["gamma.16"]):
        delta = torch.eye(2, dtype=torch.double)[chosen]
        torch.testing.assert_close(
            gradient[row].double(), p[row, chosen] * (delta - p[row]) / temperature, rtol=1e-4, atol=1e-6
        )
