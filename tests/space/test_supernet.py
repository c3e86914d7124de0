from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call, jvp

from lbt.config import SpaceSettings
from lbt.space.architecture import OPERATORS, architecture_shapes
from lbt.space.decoder import OUTPUTS
from lbt.space.derive import path_scales
from lbt.space.genotype import Branch, Cell, Genotype
from lbt.space.network import Network
from lbt.space.supernet import Supernet
from lbt.space.widths import argmax_widths, gumbel_noise, max_widths, min_widths, random_widths, sampled_widths


def images(batch=2, height=32, width=64, dtype=torch.float32):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(9), dtype=dtype)


def naive_features(net, x, architecture, widths):
    """The equations of the paper, node by node and without any shortcut."""
    layers, scales = net.space.layers, (8, 16, 32)
    weight = {key: value.softmax(-1) for key, value in architecture.items()}
    factor = {key: torch.ones(len(rows)) for key, rows in widths.indices.items()}
    factor.update(widths.factors or {})
    node = {(0, 8): net.stem(x)}
    for layer in range(layers):
        target: dict[tuple[int, str], torch.Tensor] = {}
        for i, scale in enumerate(scales[: layer + 1]):
            for edge, j in (("keep", i), ("down", i + 1)):
                if edge == "down" and (i == 2 or layer == layers - 1):
                    continue
                last = layer == layers - 1
                out = widths.indices[f"gamma.{scales[j]}"][layer - (j == 2)] if not last else 0
                cell = net.cells[layer][str(scale)][edge]
                value = sum(
                    weight[f"alpha.{scale}"][layer - i, k] * cell[name](node[layer, scale], out)
                    for k, name in enumerate(OPERATORS)
                )
                if layer > 0:
                    value = value * factor[f"gamma.{scale}"][layer - 1 - (i == 2)]
                if not last:
                    value = value * factor[f"gamma.{scales[j]}"][layer - (j == 2)]
                target[scales[j], edge] = value
        for j, scale in enumerate(scales[: layer + 2]):
            parts = {edge: target[scale, edge] for edge in ("down", "keep") if (scale, edge) in target}
            if len(parts) == 2:
                beta = weight[f"beta.{scale}"][layer - j]
                node[layer + 1, scale] = beta[0] * parts["down"] + beta[1] * parts["keep"]
            else:
                (node[layer + 1, scale],) = parts.values()
    return {scale: node[layers, scale] for scale in scales}


@pytest.mark.parametrize("layers", [4, 6])
def test_features_follow_the_equations(layers, generator):
    space = SpaceSettings(layers=layers, base_width=2, width_twelfths=(6, 12))
    net, x = Supernet(space, 3).double().train(), images(dtype=torch.double)
    architecture = {
        key: torch.randn(shape, generator=generator, dtype=torch.double)
        for key, shape in architecture_shapes(space).items()
    }
    leaves = {key: value.requires_grad_() for key, value in architecture.items()}
    for widths in (random_widths(space, generator), sampled_widths(leaves, space, gumbel_noise(space, generator))):
        gradients = []
        found, expected = net.features(x, leaves, widths), naive_features(net, x, leaves, widths)
        for scale in (8, 16, 32):
            torch.testing.assert_close(found[scale], expected[scale])
        for features in (found, expected):  # straight-through factors are 1, so only gradients show them
            total = sum(feature.square().sum() for feature in features.values())
            gradients.append(torch.autograd.grad(total, list(leaves.values()), allow_unused=True, retain_graph=True))
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (96, 40), (65, 64)])
def test_any_size_gives_five_logits_at_an_eighth(supernet, space, architecture, size):
    outputs = supernet(images(2, *size), architecture, min_widths(space))
    assert len(outputs) == len(OUTPUTS) == 5
    assert {tuple(o.shape) for o in outputs} == {(2, 3, -(-size[0] // 8), -(-size[1] // 8))}


def test_an_odd_image_gives_the_logits_of_the_padded_one(supernet, space, architecture):
    x = images(1, 50, 70)
    padded = torch.zeros(1, 3, 64, 96)
    padded[..., :50, :70] = x
    supernet.eval()
    small, large = (supernet(v, architecture, max_widths(space)) for v in (x, padded))
    assert all(torch.equal(a, b[..., :7, :9]) for a, b in zip(small, large, strict=True))


def test_outputs_depend_on_the_scales_in_their_name(supernet, space, architecture):
    x = [torch.randn(2, count, 32 // s, 32 // s).requires_grad_() for s, count in ((8, 8), (16, 16), (32, 32))]
    for name, output in zip(OUTPUTS, supernet.decoder(*[v.repeat(1, 1, 2, 2) for v in x]), strict=True):
        gradients = torch.autograd.grad(output.square().sum(), x, allow_unused=True, retain_graph=True)
        used = {s for s, g in zip((8, 16, 32), gradients, strict=True) if g is not None}
        coarsest = max(int(end) for end in name.split("+"))
        assert used == {s for s in (8, 16, 32) if s <= coarsest}


def test_gradient_reaches_every_row_that_has_a_choice(supernet, space, architecture, generator):
    for value in architecture.values():
        value.requires_grad_()
    widths = sampled_widths(architecture, space, gumbel_noise(space, generator))
    outputs = supernet(images(2, 64, 64), architecture, widths)
    sum(F.cross_entropy(o, torch.zeros(2, 8, 8, dtype=torch.long)) for o in outputs).backward()
    for key, value in architecture.items():
        rows = value.grad.abs().sum(-1)
        assert torch.isfinite(rows).all() and (rows > 0).all(), key


def test_functional_call_changes_nothing_of_the_module(supernet, space, architecture):
    supernet.train()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    parameters = {name: value + 0.01 for name, value in supernet.named_parameters()}
    buffers = {name: value.clone() for name, value in supernet.named_buffers()}
    functional_call(supernet, (parameters, buffers), (images(), architecture, max_widths(space)))
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())
    assert buffers["stem.to_half.bn.0.running_mean"].abs().max() > 0  # the copies did change


def test_statistics_move_in_training_only(supernet, space, architecture):
    before = {name: value.clone() for name, value in supernet.named_buffers()}
    supernet.eval()(images(), architecture, max_widths(space))
    assert all(torch.equal(before[name], value) for name, value in supernet.named_buffers())
    supernet.train()(images(), architecture, max_widths(space))
    assert not torch.equal(before["stem.to_half.bn.0.running_mean"], supernet.stem.to_half.bn[0].running_mean)
    assert torch.equal(
        before["cells.1.8.keep.conv.0.bn.0.running_mean"], supernet.cells[1]["8"]["keep"]["conv"][0].bn[0].running_mean
    )


class TestDerivatives:
    """Float64, train mode, against central differences; a smooth function stands for ReLU, whose kinks spoil those."""

    @pytest.fixture
    def loss(self, space, generator, monkeypatch):
        monkeypatch.setattr(F, "relu", F.softplus)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = Supernet(space, 3).double().train()
        noise = gumbel_noise(space, generator)
        x, labels = images(4, 96, 96, torch.double), torch.randint(3, (4, 12, 12), generator=generator)
        parameters = {name: p.detach() for name, p in net.named_parameters()}

        def loss(parameters, architecture):
            widths = sampled_widths(architecture, space, noise)
            buffers = {name: b.clone() for name, b in net.named_buffers()}
            outputs = functional_call(net, (parameters, buffers), (x, architecture, widths))
            return sum(F.cross_entropy(o, labels) for o in outputs)

        return loss, parameters

    @staticmethod
    def direction(values, seed):
        g = torch.Generator().manual_seed(seed)
        return {k: torch.randn(v.shape, generator=g, dtype=v.dtype) * v.std() for k, v in values.items()}

    @staticmethod
    def moved(values, direction, step):
        return {k: v + step * direction[k] for k, v in values.items()}

    def test_forward_mode_in_weights_and_logits(self, loss, architecture):
        function, parameters = loss
        architecture = {k: v.double() for k, v in architecture.items()}
        towards = self.direction({**parameters, **architecture}, 1)
        # gamma acts straight-through: the loss itself does not follow it, so only its forward derivative is excluded
        a_towards = {k: towards[k] * (0 if k.startswith("gamma") else 1) for k in architecture}
        p_towards = {k: towards[k] for k in parameters}
        _, found = jvp(function, (parameters, architecture), (p_towards, a_towards))
        h = 1e-6
        ends = [function(self.moved(parameters, p_towards, s), self.moved(architecture, a_towards, s)) for s in (h, -h)]
        assert float(found) == pytest.approx(float(ends[0] - ends[1]) / (2 * h), rel=1e-5)

    def test_double_backward_across_weights_and_logits(self, loss, architecture):
        """d2L / dA dT . v by double backward equals the central difference of dL/dA along v."""
        function, parameters = loss
        architecture = {k: v.double().requires_grad_() for k, v in architecture.items()}
        v = self.direction(parameters, 2)

        def gradient_in_a(weights):
            return torch.autograd.grad(function(weights, architecture), list(architecture.values()))

        leaves = {k: p.clone().requires_grad_() for k, p in parameters.items()}
        first = torch.autograd.grad(
            function(leaves, architecture), list(leaves.values()), create_graph=True, allow_unused=True
        )
        inner = sum((g * v[k]).sum() for k, g in zip(leaves, first, strict=True) if g is not None)
        found = torch.autograd.grad(inner, list(architecture.values()))
        h = 1e-5
        plus, minus = (gradient_in_a(self.moved(parameters, v, s)) for s in (h, -h))
        for key, value, a, b in zip(architecture, found, plus, minus, strict=True):
            expected = (a - b) / (2 * h)
            assert (value - expected).norm() < 1e-4 * expected.norm() + 1e-9, key


def decide(architecture, downs, layers):
    """Push beta of the path to certainty; everything else stays as it is."""
    scales = path_scales(downs, layers)
    for before, layer in pairwise(range(layers)):
        scale = scales[layer]
        row = layer - {16: 2, 32: 3}.get(scale, 0)
        if scale > 8 and row >= 0:
            architecture[f"beta.{scale}"][row] = torch.tensor([1e4, 0] if scales[before] < scale else [0, 1e4])
    return scales


@pytest.mark.parametrize("downs", [(1,), (3,), (0, 2), (1, 3), (2, 3)])
def test_a_decided_supernet_computes_the_derived_branch(supernet, space, architecture, downs):
    """With one-hot alpha and beta the branch's last feature is that of the network with the same weights."""
    for key, value in architecture.items():
        if key.startswith("alpha"):
            value[:, 0] = -1e4  # skips: a derived network has none of stride 1
            architecture[key] = 1e4 * F.one_hot(value.argmax(-1), 5).float()
    scales = decide(architecture, downs, space.layers)
    widths = argmax_widths(architecture, space)
    cells = []
    for layer, scale in enumerate(scales):
        stride = 2 if layer in downs else 1
        row = architecture[f"alpha.{scale}"][layer - (8, 16, 32).index(scale)]
        last = layer == space.layers - 1
        twelfths = 6 if last else space.width_twelfths[widths.index(layer + 1, scale * stride)]
        cells.append(Cell(layer, scale, OPERATORS[int(row.argmax())], stride, twelfths))
    network = Network(Genotype((Branch(scales[-1], tuple(cells)),)), space, 3)

    supernet.train()
    for seed in range(2):  # statistics that differ from the initial ones
        supernet(images() + seed, architecture, widths)
    network.stem.load_state_dict(supernet.stem.state_dict())
    trunk = network.branches[str(scales[-1])]
    for cell, operator in zip(cells, trunk.operators, strict=True):
        source = supernet.cells[cell.layer][str(cell.scale)]["down" if cell.stride == 2 else "keep"][cell.operator]
        width = widths.index(cell.layer + 1, cell.scale * cell.stride)
        for name, value in operator.state_dict().items():
            origin = source.state_dict()[name.replace("bn.0", f"bn.{width}")]
            value.copy_(origin[tuple(slice(n) for n in value.shape)])

    supernet.eval(), network.eval()
    found = supernet.features(images(), architecture, widths)[scales[-1]]
    expected, _ = network.features(images())[scales[-1]]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_edges_of_weight_zero_are_not_evaluated(supernet, space, architecture):
    scales = decide(architecture, (1, 3), space.layers)
    assert scales == [8, 8, 16, 16, 32]
    supernet.eval()
    expected = supernet.features(images(), architecture, max_widths(space))[32]

    def forbidden(*_):
        raise AssertionError("this edge must not be evaluated")

    supernet.cells[3]["32"]["keep"].forward = forbidden  # enters layer 4 at 1/32, which comes from 1/16
    assert torch.equal(supernet.features(images(), architecture, max_widths(space))[32], expected)


def test_state_dict_names_every_operator(supernet):
    names = set(supernet.state_dict())
    assert "cells.0.8.down.skip.even.weight" in names
    assert "cells.4.32.keep.zoom_2x.convs.1.conv.weight" in names
    assert not any(name.startswith(("cells.4.8.down", "cells.1.32", "cells.2.32.down")) for name in names)
