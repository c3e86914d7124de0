"""A compiled network computes what the plain one computes."""

import copy

import pytest
import torch

from lbt.errors import LbtError
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.space.batch_norm import BatchNorm2d
from lbt.training import compiled
from lbt.training.compiled import find_missing, heads_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def network(space):
    torch.manual_seed(0)
    return Network(random_genotype(space, torch.Generator().manual_seed(0)), space, 3).train()


def step(network, heads, images):
    outputs = heads(images)
    sum(output.square().mean() for output in outputs).backward()
    gradients = {name: p.grad for name, p in network.named_parameters()}
    return [output.detach() for output in outputs], gradients, dict(network.named_buffers())


def silent(text):
    raise AssertionError(text)


@pytest.mark.parametrize("channels_last", [False, True])
def test_outputs_gradients_and_statistics_are_those_of_the_plain_network(network, channels_last):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    plain, network = copy.deepcopy(network).to(memory_format=layout), network.to(memory_format=layout)
    names = list(network.state_dict())
    heads = heads_of(network, "always", CPU, silent)
    assert heads != network.heads and list(network.state_dict()) == names
    assert not any(isinstance(module, BatchNorm2d) for module in network.modules())
    for seed in range(2):
        images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(seed))
        found, expected = (
            step(*both, images.to(memory_format=layout)) for both in ((network, heads), (plain, plain.heads))
        )
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_cpu_and_never_leave_the_network_as_it_is(network):
    for wanted, device in (("auto", CPU), ("never", CPU), ("never", CUDA)):
        assert heads_of(network, wanted, device, silent) == network.heads
    assert any(isinstance(module, BatchNorm2d) for module in network.modules())


def test_without_a_compiler_auto_says_so_and_always_is_refused(network, monkeypatch):
    monkeypatch.setattr(compiled.shutil, "which", lambda name: None)
    assert (find_missing(CPU), find_missing(CUDA)) == ("a C++ compiler", "a C compiler")
    notes = []
    assert heads_of(network, "auto", CUDA, notes.append) == network.heads
    assert notes == ["is not compiled, so steps take longer: a C compiler is missing"]
    with pytest.raises(LbtError, match=r"retrain\.compile: always needs a C\+\+ compiler, which is missing"):
        heads_of(network, "always", CPU, silent)


def test_without_triton_there_is_no_compilation_for_a_gpu(monkeypatch):
    monkeypatch.setattr(compiled, "has_triton", lambda: False)
    assert find_missing(CUDA) == "Triton for this GPU"
