"""A cell with shared work against its operators run one by one."""

import pytest
import torch
from torch import nn

from lbt.space.architecture import OPERATORS
from lbt.space.batch_norm import update_statistics
from lbt.space.cell import STRIDES, EdgeRun, SupernetCell

RUNS = [("keep",), ("down",), ("keep", "down")]
WEIGHTS = [
    (0.1, 0.2, 0.3, 0.15, 0.25),
    (0.0, 0.4, 0.0, 0.0, 0.6),
    (0.0, 0.0, 1.0, 0.0, 0.0),
    (1.0, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.5, 0.0, 0.5, 0.0),
]


def build(dtype=torch.double) -> SupernetCell:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        cell = SupernetCell(OPERATORS, (8, 16), {"keep": (8, 16), "down": (16, 24, 32)}).to(dtype)
        for norm in (m for m in cell.modules() if isinstance(m, nn.BatchNorm2d)):
            for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
                nn.init.uniform_(value, 0.5, 1.5)
    return cell


def arguments(edges, weights, dtype, height=12):
    x = torch.randn(2, 8, height, 16, generator=torch.Generator().manual_seed(2), dtype=dtype).requires_grad_()
    leaves = [torch.tensor(weights, dtype=dtype).requires_grad_() for _ in edges]
    active = [index for index, weight in enumerate(weights) if weight > 0]
    names = tuple(OPERATORS[index] for index in active)
    return x, leaves, [EdgeRun(edge, leaf[active], names, 1) for edge, leaf in zip(edges, leaves, strict=True)]


def one_by_one(cell, x, runs):
    return [
        sum(w * cell.edge(r.edge).operator(name)(x, r.width) for w, name in zip(r.weights, r.operators, strict=True))
        for r in runs
    ]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.double, 1e-10), (torch.float, 1e-5)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("edges", RUNS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_forward_and_gradient_are_those_of_the_operators(weights, edges, training, dtype, tolerance):
    cell = build(dtype).train(training)
    x, gates, runs = arguments(edges, weights, dtype)
    found, expected = cell(x, runs, []), one_by_one(cell, x, runs)
    leaves = [x, *gates, *cell.parameters()]
    gradients = []
    for outputs in (found, expected):
        g = torch.Generator().manual_seed(3)
        value = sum((o * torch.randn(o.shape, generator=g, dtype=dtype)).sum() for o in outputs)
        gradients.append(torch.autograd.grad(value, leaves, allow_unused=True, retain_graph=True))
    pairs = [*zip(found, expected, strict=True), *zip(*gradients, strict=True)]
    for a, b in pairs:
        assert (a is None) == (b is None)
        if a is not None:
            scale = float(b.detach().abs().max())
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * max(scale, 1))


@pytest.mark.parametrize("height", [1, 3, 5])
def test_cells_with_stride_1_alone_take_odd_sizes(height):
    cell = build().eval()
    x, _, runs = arguments(("keep",), WEIGHTS[0], torch.double, height)
    torch.testing.assert_close(cell(x, runs, [])[0], one_by_one(cell, x, runs)[0], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_move_only_by_update_statistics(momentum):
    cell, other = build().train(), build().train()
    for norm in (m for c in (cell, other) for m in c.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.momentum = momentum
    x, _, runs = arguments(("keep", "down"), WEIGHTS[0], torch.double)
    before = {name: value.clone() for name, value in cell.named_buffers()}
    for factor in (1, 3):
        updates = []
        cell(factor * x, runs, updates)
        assert factor > 1 or all(torch.equal(before[name], value) for name, value in cell.named_buffers())
        update_statistics(updates)
        one_by_one(other, factor * x, runs)
    for (name, a), b in zip(cell.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=name)
    assert not torch.equal(before["keep.conv.0.bn.1.running_mean"], cell.keep.conv[0].bn[1].running_mean)
    assert torch.equal(before["keep.conv.0.bn.0.running_mean"], cell.keep.conv[0].bn[0].running_mean)


def test_evaluation_appends_no_update():
    updates = []
    x, _, runs = arguments(("keep",), WEIGHTS[0], torch.double)
    build().eval()(x, runs, updates)
    assert updates == []


def test_operators_of_weight_zero_are_not_evaluated():
    cell = build().eval()
    x, _, runs = arguments(("keep", "down"), (0.0, 0.4, 0.0, 0.0, 0.6), torch.double)
    expected = cell(x, runs, [])
    for edge in STRIDES:
        for name in ("skip", "zoom", "conv_2x"):
            setattr(cell.edge(edge), name, nn.Identity())
    assert all(torch.equal(a, b) for a, b in zip(cell(x, runs, []), expected, strict=True))
    with pytest.raises(AttributeError):
        cell(x, arguments(("keep",), WEIGHTS[0], torch.double)[2], [])
