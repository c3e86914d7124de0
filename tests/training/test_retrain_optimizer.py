"""The optimiser of a derived network: which parameters decay, the steps by hand, the learning rate."""

import math

import pytest
import torch
from torch import nn

from lbt.config import OptimizerSettings, RetrainOptimizer
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.space.batch_norm import BatchNorm2d
from lbt.space.slimmable import SlimmableConv2d
from lbt.training.optimizers import sgd
from lbt.training.retrain_optimizer import build_optimizer, learning_rate


@pytest.fixture
def network(tiny):
    torch.manual_seed(0)
    genotype = random_genotype(tiny.settings.space, torch.Generator().manual_seed(0))
    return Network(genotype, tiny.settings.space, 6)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("decay_all", [False, True])
def test_only_weights_of_convolutions_decay_unless_all_do(network, name, decay_all):
    optimizer = build_optimizer(network, RetrainOptimizer(name=name, weight_decay=0.1, decay_all=decay_all))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | SlimmableConv2d)]
    convolutions = {id(layer.weight) for layer in layers}
    exempt = {id(layer.bias) for layer in layers if isinstance(layer, nn.Conv2d)}
    exempt |= {id(p) for m in network.modules() if isinstance(m, BatchNorm2d) for p in m.parameters()}
    assert convolutions and exempt and convolutions | exempt == decays.keys()
    assert all(decays[key] == 0.1 for key in convolutions)
    assert {decays[key] for key in exempt} == {0.1 if decay_all else 0.0}


def trained(network, optimizer, steps=3):
    for step in range(steps):
        for p in network.parameters():
            p.grad = torch.full_like(p, 0.1 * (step + 1)) + 0.01 * p.detach()
        optimizer.step()
    return [p.detach().clone() for p in network.parameters()]


def test_sgd_that_decays_all_is_that_of_the_search(network, tiny):
    state = {name: value.clone() for name, value in network.state_dict().items()}
    ours = trained(network, build_optimizer(network, RetrainOptimizer(name="sgd", decay_all=True)))
    network.load_state_dict(state)
    theirs = trained(network, sgd(network.parameters(), OptimizerSettings()))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_adamw_by_hand():
    """Decoupled decay, then the step of Adam (Loshchilov and Hutter, algorithm 2)."""
    layer = nn.Conv2d(1, 1, 1).double()
    weight, bias = float(layer.weight.detach()), float(layer.bias.detach())
    settings = RetrainOptimizer(lr=0.01, beta1=0.8, beta2=0.95, weight_decay=0.5)
    optimizer = build_optimizer(layer, settings)
    m = v = 0.0
    for step, gradient in enumerate((0.3, -0.2, 0.5), start=1):
        for p in layer.parameters():
            p.grad = torch.full_like(p, gradient)
        optimizer.step()
        m, v = 0.8 * m + 0.2 * gradient, 0.95 * v + 0.05 * gradient**2
        move = 0.01 * (m / (1 - 0.8**step)) / (math.sqrt(v / (1 - 0.95**step)) + 1e-8)
        weight, bias = weight * (1 - 0.01 * 0.5) - move, bias - move
    assert float(layer.weight.detach()) == pytest.approx(weight, rel=1e-12)
    assert float(layer.bias.detach()) == pytest.approx(bias, rel=1e-12)


def test_the_rate_rises_linearly_and_falls_by_a_power():
    found = [learning_rate(step, 40, lr=2.0, warmup=0.1, power=0.9) for step in range(40)]
    falling = [2.0 * (1 - step / 40) ** 0.9 for step in range(40)]
    assert found[:4] == pytest.approx([falling[k] * (k + 1) / 4 for k in range(4)])
    assert found[4:] == falling[4:]
    assert [learning_rate(step, 40, lr=2.0, warmup=0.0, power=0.9) for step in range(40)] == falling


def test_a_warmup_of_less_than_a_step_changes_nothing():
    assert learning_rate(0, 3, lr=1.0, warmup=0.2, power=1.0) == 1.0
