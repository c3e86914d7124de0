"""The folded form computes what the network computes; the unfolded network is the oracle."""

import pytest
import torch
from random_network import SPACE, random_network
from torch import nn

from lbt.network.fold_batch_norm import fold_batch_norm
from lbt.network.random_genotype import random_genotype
from lbt.space.architecture import OPERATORS
from lbt.space.batch_norm import BatchNorm2d
from lbt.space.operators import build_derived_operator

CL = torch.channels_last


def images(height, width, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(2, 3, height, width, generator=generator).cumsum(2).cumsum(3) / 30).to(dtype)


def relative(found, expected):
    return float((found - expected).abs().max() / expected.abs().max())


def randomise(module):
    """Statistics and weights as far from those of a new BatchNorm as training makes them."""
    for norm in (m for m in module.modules() if isinstance(m, BatchNorm2d)):
        for values in (norm.running_mean, norm.bias.data):
            values.normal_()
        for values in (norm.running_var, norm.weight.data):
            values.uniform_(0.2, 3)
    return module.eval()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("seed", range(4))
def test_the_folded_network_computes_the_same_logits_and_labels(seed, dtype, tolerance):
    ends = (32, 16) if seed % 2 else (32, 8)
    space = SPACE.model_copy(update={"branches": "+".join(map(str, ends[::-1]))})
    genotype = random_genotype(space, torch.Generator().manual_seed(seed), ends)
    network = random_network(seed, space, genotype=genotype).to(dtype)
    folded = fold_batch_norm(network)
    for size in ((64, 96), (70, 99)):
        with torch.no_grad():
            expected, found = network(images(*size, dtype)), folded(images(*size, dtype))
        assert relative(found, expected) < tolerance
        assert len(expected.argmax(1).unique()) > 2 and torch.equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_computes_the_same(name, stride):
    torch.manual_seed(0)
    operator = randomise(build_derived_operator(name, 6, 6, stride).double())
    x = torch.randn(2, 6, 12, 20, dtype=torch.float64)
    with torch.no_grad():
        assert relative(fold_batch_norm(operator)(x), operator(x)) < 1e-12


def test_the_folded_form_has_no_batch_norm_and_leaves_the_network_as_it_was():
    network = random_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold_batch_norm(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    weights = [p for p in folded.parameters() if p.ndim == 4]
    assert weights and all(p.is_contiguous(memory_format=CL) for p in weights)
    with torch.no_grad():
        features = folded.features(images(64, 64))
    assert all(x.is_contiguous(memory_format=CL) for x, _ in features.values())
