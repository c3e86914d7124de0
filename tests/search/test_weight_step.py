"""A recorded step is SGD's, and its transposed derivative is that of the whole step."""

import math

import pytest
import torch
from torch import nn

from lbt.config import OptimizerSettings
from lbt.runtime.distributed import ALONE
from lbt.search.weight_step import take_step
from lbt.training.optimizers import GuardedStep, settle, sgd


def steps(clip_norm, count=3):
    """A module after some steps of SGD on noise, and the inputs of the last step."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    settings = OptimizerSettings(lr=0.1, momentum=0.9, weight_decay=0.05, clip_norm=clip_norm)
    optimizer, guard = sgd(module.parameters(), settings), GuardedStep("weights")
    for _ in range(count):
        momentum = {
            name: optimizer.state[p].get("momentum_buffer", torch.zeros_like(p)).clone()
            for name, p in module.named_parameters()
        }
        x = torch.randn(5, 3).double()
        module(x).square().mean().backward()
        gradient = {name: p.grad.clone() for name, p in module.named_parameters()}
        step = take_step(module, optimizer, guard, {"loss": 1.0}, clip_norm, ALONE)
    return module, momentum, gradient, step


def after(step, momentum, gradient):
    """SGD with momentum and weight decay on the clipped gradient, written out."""
    length = sum(g.square().sum() for g in gradient.values()).sqrt()
    factor = torch.clamp(step.clip_norm / (length + 1e-6), max=1.0)
    return {
        name: w - 0.1 * (0.9 * momentum[name] + factor * gradient[name] + 0.05 * w) for name, w in step.before.items()
    }


@pytest.mark.parametrize("clip_norm", [1e9, 0.05])
def test_the_new_weights_are_those_of_sgd(clip_norm):
    module, momentum, gradient, step = steps(clip_norm)
    assert (step.norm > clip_norm) == (clip_norm == 0.05)
    for name, value in after(step, momentum, gradient).items():
        torch.testing.assert_close(module.get_parameter(name).detach(), value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("clip_norm", [1e9, 0.05])
def test_vjp_equals_autograd_through_the_step(clip_norm):
    _, momentum, gradient, step = steps(clip_norm)
    leaves = {name: g.clone().requires_grad_() for name, g in gradient.items()}
    vector = {name: torch.randn_like(g) for name, g in gradient.items()}
    moved = after(step, momentum, leaves)
    value = sum((moved[name] * vector[name]).sum() for name in moved)
    expected = torch.autograd.grad(value, list(leaves.values()))
    for found, wanted in zip(step.vjp_(vector | {"other": torch.ones(1)}).values(), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-13)


def test_a_skipped_step_moves_nothing_and_has_no_norm():
    module, guard = nn.Linear(2, 1), GuardedStep("w")
    module(torch.tensor([[math.nan, 1.0]])).sum().backward()
    step = take_step(module, sgd(module.parameters(), OptimizerSettings()), guard, {"loss": 1.0}, 5.0, ALONE)
    _, skipped = settle({"w": guard}, {})
    assert step.norm.isnan() and skipped == {"w"} and guard.skipped == 1
    assert all(torch.equal(step.before[name], p.detach()) for name, p in module.named_parameters())


def test_the_record_holds_the_clipped_gradient_whatever_its_strides():
    module = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    for p in module.parameters():
        p.grad = torch.randn(p.shape)
    optimizer = sgd(module.parameters(), OptimizerSettings(lr=1.0, momentum=0.0, weight_decay=0.0))
    step = take_step(module, optimizer, GuardedStep("w"), {}, 1e-3, ALONE)
    for name, p in module.named_parameters():
        torch.testing.assert_close(step.before[name] - step.gradient[name], p.detach(), rtol=1e-6, atol=0)
    assert float(nn.utils.get_total_norm(step.gradient.values())) == pytest.approx(1e-3, rel=1e-3)


def test_the_weights_before_are_kept_only_where_they_are_needed():
    module = nn.Linear(2, 1)
    module(torch.ones(1, 2)).sum().backward()
    optimizer = sgd(module.parameters(), OptimizerSettings())
    step = take_step(module, optimizer, GuardedStep("w"), {"loss": 1.0}, 5.0, ALONE, keep_before=False)
    assert not step.before and set(step.gradient) == {"weight", "bias"}


def test_weights_without_a_gradient_are_not_part_of_the_step():
    module = nn.ModuleDict({"used": nn.Linear(2, 1), "unused": nn.Linear(2, 1)})
    module["used"](torch.ones(1, 2)).sum().backward()
    step = take_step(module, sgd(module.parameters(), OptimizerSettings()), GuardedStep("w"), {"loss": 1.0}, 5.0, ALONE)
    vector = {name: torch.ones_like(p) for name, p in module.named_parameters()}
    assert set(step.gradient) == {"used.weight", "used.bias"} == set(step.vjp_(vector))
