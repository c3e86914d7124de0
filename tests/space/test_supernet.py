from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from naive_supernet import images
from torch.func import functional_call, jvp

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import build_branch, path_scales
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.network.inherit_weights import inherit_weights
from lbt.network.network import Network
from lbt.space.architecture import SCALES, architecture_shapes
from lbt.space.decoder import OUTPUTS, SupernetDecoder
from lbt.space.slimmable import SlimmableConv2d
from lbt.space.supernet import CPU_FORMATS, GPU_FORMATS, Supernet
from lbt.space.widths import argmax_widths, draw_gumbel_noise, max_widths, min_widths, sample_widths


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


@pytest.mark.parametrize("branches", ["16+32", "8+32", "32", "best"])
def test_outputs_depend_on_the_branches_in_their_name(space, branches):
    decoder = SupernetDecoder(space.model_copy(update={"branches": branches}), 3)
    ends = {s: torch.randn(2, s, 64 // s, 64 // s).requires_grad_() for s in (8, 16, 32)}
    details = {8: {}, 16: {8: torch.randn(2, 16, 8, 8)}, 32: {8: torch.randn(2, 8, 8, 8), 16: torch.randn(2, 32, 4, 4)}}
    assert sorted(decoder.outputs) == sorted(OUTPUTS)
    assert decoder.outputs[0] == ("16+32" if branches == "best" else branches)
    for name, output in zip(decoder.outputs, decoder(ends, details), strict=True):
        total = output.square().sum()
        gradients = torch.autograd.grad(total, list(ends.values()), allow_unused=True, retain_graph=True)
        used = {str(s) for s, g in zip(ends, gradients, strict=True) if g is not None}
        assert used == set(name.split("+"))


def test_gradient_reaches_every_row_that_has_a_choice(supernet, space, architecture, generator):
    for value in architecture.values():
        value.requires_grad_()
    widths = sample_widths(architecture, space, draw_gumbel_noise(space, generator))
    outputs = supernet(images(2, 64, 64), architecture, widths)
    sum(F.cross_entropy(o, torch.zeros(2, 8, 8, dtype=torch.long)) for o in outputs).backward()
    for key, value in architecture.items():
        rows = value.grad.abs().sum(-1)
        assert torch.isfinite(rows).all() and (rows > 0).all(), key


def test_functional_call_does_not_change_the_module(supernet, space, architecture):
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
        before["cells.1.8.keep.conv.0.bn.0.running_mean"], supernet.cell(1, 8).keep.conv[0].bn[0].running_mean
    )


def test_forward_mode_in_weights_and_logits(space, architecture, generator):
    """In float64 and train mode the derivative along a direction is the reverse-mode gradient's inner product."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Supernet(space, 3).double().train()
    noise = draw_gumbel_noise(space, generator)
    x, labels = images(4, 96, 96, torch.double), torch.randint(3, (4, 12, 12), generator=generator)
    point = {name: p.detach() for name, p in net.named_parameters()}
    point |= {key: value.double() for key, value in architecture.items()}

    def loss(point):
        a = {key: point[key] for key in architecture}
        state = {name: value for name, value in point.items() if name not in a}
        state |= {name: b.clone() for name, b in net.named_buffers()}
        outputs = functional_call(net, state, (x, a, sample_widths(a, space, noise)))
        return sum(F.cross_entropy(o, labels) for o in outputs)

    direction = {k: torch.randn(v.shape, generator=generator, dtype=v.dtype) * v.std() for k, v in point.items()}
    # gamma acts straight-through: the loss itself does not follow it, so its forward derivative is excluded
    direction |= {key: torch.zeros_like(point[key]) for key in architecture if key.startswith("gamma")}
    _, found = jvp(loss, (point,), (direction,))
    leaves = {k: v.clone().requires_grad_() for k, v in point.items()}
    gradients = torch.autograd.grad(loss(leaves), list(leaves.values()), allow_unused=True)
    expected = sum((g * direction[k]).sum() for k, g in zip(leaves, gradients, strict=True) if g is not None)
    assert float(found) == pytest.approx(float(expected), rel=1e-10)


def decide(architecture, downs, layers):
    """Make the betas of a path certain; nothing else changes."""
    scales = path_scales(downs, layers)
    for before, layer in pairwise(range(layers)):
        scale = scales[layer]
        row = layer - {16: 2, 32: 3}.get(scale, 0)
        if scale > 8 and row >= 0:
            architecture[f"beta.{scale}"][row] = torch.tensor([1e4, 0] if scales[before] < scale else [0, 1e4])
    return scales


SETTLED = [("32", {32: (1, 2)}), ("16+32", {32: (1, 3), 16: (1,)}), ("16+32", {32: (0, 2), 16: (0,)})]
SETTLED += [("8+32", {32: (2, 3)}), ("8+32", {32: (0, 1)}), ("8+32", {32: (1, 3)})]


@pytest.mark.parametrize(("branches", "paths"), SETTLED)
def test_a_decided_supernet_computes_the_derived_network(space, generator, branches, paths):
    """With one-hot alpha and beta the logits are those of the derived network with the supernet's weights."""
    space = space.model_copy(update={"branches": branches, "layers": 6})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        supernet = Supernet(space, 3)
    architecture = {key: torch.randn(shape, generator=generator) for key, shape in architecture_shapes(space).items()}
    for key, value in architecture.items():
        if key.startswith("alpha"):
            value[:, 0] = -1e4  # skips: a derived network has none
            architecture[key] = 1e4 * F.one_hot(value.argmax(-1), 5).float()
    for downs in paths.values():
        decide(architecture, downs, space.layers)
    genotype = Genotype(
        tuple(build_branch(architecture, space, paths.get(end, ())) for end in BRANCH_SCALES[branches][0])
    )
    widths = argmax_widths(architecture, space)
    supernet.train()
    for seed in range(2):  # statistics that differ from the initial ones
        supernet(images() + seed, architecture, widths)
    network = Network(genotype, space, 3)
    inherit_weights(network, supernet)
    supernet.eval(), network.eval()
    x = images(2, 50, 100)
    with torch.no_grad():
        found, expected = supernet(x, architecture, widths)[0], network.heads(x)[0]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.02


def test_edges_of_weight_zero_are_not_evaluated(supernet, space, architecture):
    scales = decide(architecture, (1, 3), space.layers)
    assert scales == [8, 8, 16, 16, 32]
    supernet.eval()
    expected = supernet.features(images(), architecture, max_widths(space))[0][32]

    supernet.cell(3, 32).keep = None  # this edge enters layer 4 at 1/32, whose feature comes from 1/16
    assert torch.equal(supernet.features(images(), architecture, max_widths(space))[0][32], expected)


def test_memory_formats_change_the_layout_but_not_the_numbers(space, architecture):
    states, layouts, gradients = [], [], []
    for formats in (CPU_FORMATS, GPU_FORMATS, dict.fromkeys(SCALES, torch.channels_last)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = Supernet(space, 3, formats).double().train()
        outputs = net(images(2, 64, 64, torch.double), architecture, max_widths(space))
        sum(output.square().mean() for output in outputs).backward()
        states.append(net.state_dict())
        layouts.append([x.is_contiguous(memory_format=torch.channels_last) for x in net.parameters() if x.ndim == 4])
        gradients.append([x.grad for x in net.parameters()])
    assert len({tuple(layout) for layout in layouts}) == 3
    for state, found in zip(states[1:], gradients[1:], strict=True):
        torch.testing.assert_close(state, states[0], rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(found, gradients[0], rtol=1e-10, atol=1e-10)


def test_state_dict_names_every_operator(supernet):
    names = set(supernet.state_dict())
    assert "cells.0.8.down.skip.even.weight" in names
    assert "cells.4.32.keep.zoom_2x.convs.1.conv.weight" in names
    assert not any(name.startswith(("cells.4.8.down", "cells.1.32", "cells.2.32.down")) for name in names)


def test_a_network_whose_first_cells_are_pruned_inherits_where_the_stem_is_wider_than_every_width(generator):
    space = SpaceSettings(layers=8, base_width=4, width_twelfths=(4, 6), head_twelfths=6)
    supernet = Supernet(space, 3)
    architecture = {key: torch.randn(shape, generator=generator) for key, shape in architecture_shapes(space).items()}
    architecture["alpha.8"][0, 0] = 9  # a skip that is pruned
    genotype = Genotype(tuple(build_branch(architecture, space, d) for d in ((2, 5), (2,))))
    assert genotype.branches[0].cells[0].layer > 0
    network = Network(genotype, space, 3)
    inherit_weights(network, supernet)
    first = next(
        m
        for m in (network.shared.operators or network.branches["32"].operators)[0].modules()
        if isinstance(m, SlimmableConv2d)
    )
    cell = genotype.branches[0].cells[0]
    source = supernet.cell(cell.layer, cell.scale).edge("down" if cell.stride == 2 else "keep").operator(cell.operator)
    weight = next(m for m in source.modules() if isinstance(m, SlimmableConv2d)).weight
    assert torch.equal(first.weight, weight[tuple(slice(n) for n in first.weight.shape)])
