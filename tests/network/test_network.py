import pytest
import torch
from torch import nn

from lbt.config import SpaceSettings
from lbt.network.genotype import Branch, Cell, Genotype
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.network.size import count_macs, count_parameters
from lbt.space.padding import upsample

SPACE = SpaceSettings(layers=6, base_width=4, width_twelfths=(6, 12))


def chain(scale: int, *cells: tuple[str, int, int]) -> Branch:
    made, at = [], 8
    for layer, (operator, stride, width) in enumerate(cells):
        made.append(Cell(layer, at, operator, stride, width))
        at *= stride
    return Branch(scale, tuple(made))


COARSE = chain(32, ("conv", 1, 12), ("zoom", 2, 6), ("conv_2x", 2, 12), ("zoom_2x", 1, 8))
MIDDLE = chain(16, ("conv", 1, 12), ("zoom", 2, 6), ("conv", 1, 8))
FINE = chain(8, ("conv", 1, 12), ("zoom", 1, 8))


@pytest.mark.parametrize(
    ("branches", "strides"),
    [
        ((COARSE, MIDDLE), [8, 16, 32]),
        ((COARSE, FINE), [8, 16, 32]),
        ((COARSE, MIDDLE, FINE), [8, 16, 32]),
        ((COARSE,), [8, 16, 32]),
        ((MIDDLE,), [8, 16]),
        ((FINE,), [8]),
    ],
)
@pytest.mark.parametrize("size", [(32, 64), (45, 71)])
def test_heads_have_their_native_strides(branches, strides, size):
    network = Network(Genotype(branches), SPACE, 5)
    outputs = network.heads(torch.randn(2, 3, *size))
    assert [tuple(o.shape) for o in outputs] == [(2, 5, -(-size[0] // s), -(-size[1] // s)) for s in strides]


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (50, 77)])
def test_forward_is_the_main_head_at_full_size(size):
    network = Network(Genotype((COARSE, MIDDLE)), SPACE, 5).eval()
    images = torch.randn(1, 3, *size)
    assert network(images).shape == (1, 5, *size)
    assert torch.equal(network(images), upsample(network.heads(images)[0], size))


def test_shared_cells_run_once():
    network = Network(Genotype((COARSE, MIDDLE)), SPACE, 5)
    calls = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    network.heads(torch.randn(2, 3, 32, 64))
    assert len(network.shared.operators) == 2
    assert len(calls) == len(set(calls)) == sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())


def test_branches_get_details_of_their_own():
    """The details of a branch are the inputs of its own cells of stride 2."""
    late = chain(16, ("conv", 1, 12), ("zoom", 1, 6), ("conv", 2, 6), ("conv", 1, 8))
    network = Network(Genotype((COARSE, late)), SPACE, 5).eval()
    features = network.features(torch.randn(1, 3, 64, 64))
    assert {scale: tuple(x.shape[1:]) for scale, x in features[32][1].items()} == {8: (32, 8, 8), 16: (32, 4, 4)}
    assert {scale: tuple(x.shape[1:]) for scale, x in features[16][1].items()} == {8: (16, 8, 8)}


def test_a_skip_of_stride_1_is_the_identity():
    skipped = chain(8, ("conv", 1, 8), ("skip", 1, 8), ("zoom", 1, 8))
    plain = chain(8, ("conv", 1, 8), ("zoom", 1, 8))
    a, b = (Network(Genotype((branch,)), SPACE, 5).eval() for branch in (skipped, plain))
    renamed = {
        name.replace("branches.8.operators.2", "branches.8.operators.1"): v for name, v in a.state_dict().items()
    }
    b.load_state_dict(renamed)
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(a(images), b(images))


def test_a_skip_between_different_channels_is_refused():
    with pytest.raises(ValueError, match="8 channels"):
        narrow = SPACE.model_copy(update={"stem_twelfths": 4})
        Network(Genotype((chain(8, ("skip", 1, 12), ("conv", 1, 8)),)), narrow, 5)


def test_random_networks_train(generator):
    space = SpaceSettings(layers=8, base_width=2)
    for _ in range(3):
        network = Network(random_genotype(space, generator), space, 3)
        sum(o.square().mean() for o in network.heads(torch.randn(2, 3, 64, 64))).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_counts_agree_with_hooks_on_a_real_pass():
    network = Network(Genotype((COARSE, MIDDLE)), SPACE, 5).eval()
    macs, used = [], set()

    def hook(module, inputs, output):
        weight = module.weight
        out, channels, pixels = output.shape[1], inputs[0].shape[1], output.shape[2] * output.shape[3]
        macs.append(out * channels * weight.shape[2] * weight.shape[3] * pixels)

    for module in network.modules():
        if getattr(module, "weight", None) is not None:
            module.register_forward_hook(lambda module, *_: used.update(module.parameters(recurse=False)))
            if module.weight.dim() == 4:
                module.register_forward_hook(hook)
    network(torch.randn(1, 3, 50, 70))
    expected_macs, expected_parameters = sum(macs), sum(p.numel() for p in used)
    assert count_macs(network, (50, 70)) == expected_macs
    assert count_parameters(network) == expected_parameters
    assert next(network.parameters()).device.type == "cpu"
