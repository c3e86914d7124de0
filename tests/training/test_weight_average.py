"""The moving average of weights against a loop by hand."""

import pytest
import torch
from torch import nn

from lbt.training.weight_average import moving_average


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).double()


def step(model, number):
    """Changes weights and statistics."""
    g = torch.Generator().manual_seed(number)
    model(torch.randn(4, 2, 5, 5, dtype=torch.double, generator=g))
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * torch.randn(p.shape, dtype=torch.double, generator=g)


@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_the_average_equals_a_loop(decay):
    model = network()
    average, expected = moving_average(model, decay), {}
    for n in range(30):
        step(model, n)
        average.update_parameters(model)
        kept = min(decay, (1 + n) / (10 + n)) if n else 0.0  # the first step is copied
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                expected[name] = kept * expected.get(name, 0.0) + (1 - kept) * value
            else:
                expected[name] = value.clone()
    found = average.module.state_dict()
    assert set(found) == set(expected) and {"1.running_mean", "1.running_var", "1.num_batches_tracked"} <= set(found)
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-12)
    assert found["1.num_batches_tracked"] == 30
    assert not torch.allclose(found["0.weight"], model[0].weight)


def test_a_saved_average_continues_bit_by_bit():
    model = network()
    whole, saved = moving_average(model, 0.9), None
    for n in range(8):
        step(model, n)
        whole.update_parameters(model)
        if n == 4:
            saved = {name: value.clone() for name, value in whole.state_dict().items()}
    model = network()
    for n in range(5):
        step(model, n)
    again = moving_average(model, 0.9)
    again.load_state_dict(saved)
    for n in range(5, 8):
        step(model, n)
        again.update_parameters(model)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))


def test_the_network_does_not_change_with_its_average():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    moving_average(model, 0.9).update_parameters(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
