"""Guarded steps: clipped, skipped when not finite, and stopped after too many."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from lbt.config import AdamSettings, OptimizerSettings
from lbt.data.splits import steps_for
from lbt.errors import LbtError
from lbt.training.optimizers import GuardedStep, adam, settle, sgd


def parameter_with(gradient):
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor(gradient)
    return parameter


def test_a_long_gradient_is_scaled_to_the_norm():
    parameter = parameter_with([30.0, 40.0])
    optimizer = sgd([parameter], OptimizerSettings(lr=1.0, momentum=0.0, weight_decay=0.0))
    assert GuardedStep("weights").apply(optimizer, {"loss": 1.0}, clip_norm=5.0) == pytest.approx(50.0)
    torch.testing.assert_close(parameter.detach(), torch.tensor([-3.0, -4.0]), rtol=1e-5, atol=1e-5)
    assert parameter.grad is None


class Normalised(nn.Sequential):
    """A layer with running statistics."""

    def __init__(self):
        super().__init__(nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))


def try_step(module, optimizer, guard, images):
    loss = module(images).square().mean()
    loss.backward()
    return guard.apply(optimizer, {"loss": loss.detach()}, clip_norm=5.0)


def test_a_skipped_step_leaves_no_trace():
    """A NaN image spoils loss, gradient and running statistics; the next steps are as if it had never been there."""
    torch.manual_seed(0)
    images = [torch.randn(2, 2, 3, 3) for _ in range(3)]
    bad = images[0].clone()
    bad[0, 0, 0, 0] = math.nan

    def train(batches):
        torch.manual_seed(1)
        module = Normalised()
        optimizer, guard = sgd(module.parameters(), OptimizerSettings()), GuardedStep("weights", module)
        norms = [try_step(module, optimizer, guard, batch) for batch in batches]
        buffers = [state["momentum_buffer"] for state in optimizer.state.values()]
        return norms, guard, [*module.state_dict().values(), *buffers]

    norms, guard, spoilt = train([images[0], bad, images[1], bad, bad, images[2]])
    assert [math.isnan(norm) for norm in norms] == [False, True, False, True, True, False] and guard.skipped == 3
    _, _, expected = train(images)
    assert len(spoilt) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(spoilt, expected, strict=True))


@pytest.mark.parametrize(("gradient", "loss"), [([math.nan, 1.0], 1.0), ([math.inf, 1.0], 1.0), ([1.0, 1.0], math.nan)])
def test_a_value_that_is_not_finite_moves_nothing_and_is_counted(gradient, loss):
    parameter = parameter_with(gradient)
    optimizer = sgd([parameter], OptimizerSettings())
    guard = GuardedStep("weights")
    assert math.isnan(guard.apply(optimizer, {"loss": loss}, clip_norm=5.0))
    assert guard.skipped == 1
    assert torch.equal(parameter.detach(), torch.zeros(2))
    assert not any(value.any() for state in optimizer.state.values() for value in state.values())


def test_many_skips_in_a_row_stop_and_name_the_first_one():
    guard = GuardedStep("teacher (lbt, round 3)", last_good=Path("round-2/checkpoint.pt"), limit=3)

    def attempt(gradient, **values):
        guard.apply(sgd([parameter_with([gradient, 0.0])], OptimizerSettings()), values, 5.0)

    attempt(math.nan, loss=1.0)  # a good step follows, so this is not the first of the final streak
    attempt(1.0, loss=1.0)
    attempt(1.0, loss=1.0, other=math.inf)
    attempt(math.nan, loss=1.0)
    with pytest.raises(LbtError) as error:
        attempt(1.0, loss=math.nan)
    message = str(error.value)
    assert message.startswith("teacher (lbt, round 3): 3 updates in a row")
    assert "The first was at step 2 of teacher (lbt, round 3): other = inf; the last was loss = nan." in message
    assert "The last good state is round-2/checkpoint.pt" in message


def test_the_norm_of_the_gradient_is_named_if_all_values_are_finite():
    guard = GuardedStep("student", limit=1)
    with pytest.raises(LbtError, match="norm of the gradient = inf"):
        guard.apply(sgd([parameter_with([math.inf, 0.0])], OptimizerSettings()), {"loss": 1.0}, 5.0)


@pytest.mark.parametrize("build", [sgd, adam])
def test_fused_steps_are_plain_ones_if_gradients_come_late_or_with_other_strides(build):
    torch.manual_seed(0)
    first = torch.randn(4, 3, 3, 3, dtype=torch.float64).to(memory_format=torch.channels_last)
    settings = {sgd: OptimizerSettings(lr=0.1, momentum=0.9, weight_decay=0.01), adam: AdamSettings(lr=0.1)}[build]
    gradients = [torch.randn(2, 4, 3, 3, 3, dtype=torch.float64) for _ in range(4)]
    results = []
    for fused in (True, False):
        parameters = [nn.Parameter(first.clone()), nn.Parameter(torch.ones(4, 3, 3, 3, dtype=torch.float64))]
        optimizer, guard = build(parameters, settings), GuardedStep("weights")
        if not fused:
            kind, options = type(optimizer), optimizer.defaults | {"fused": False, "foreach": False}
            optimizer = kind(parameters, **{k: v for k, v in options.items() if k != "decoupled_weight_decay"})
        for number, (a, b) in enumerate(gradients):
            parameters[0].grad, parameters[1].grad = a.clone(), b.clone() if number > 1 else None
            if fused:
                guard.apply(optimizer, {}, 1e9)
            else:
                optimizer.step()
        results.append([p.detach() for p in parameters])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


def test_several_attempts_are_settled_together():
    guards = {name: GuardedStep(name) for name in ("good", "bad", "idle")}
    for name, gradient in (("good", 1.0), ("bad", math.nan)):
        guards[name].attempt(sgd([parameter_with([gradient, 0.0])], OptimizerSettings()), {"loss": 2.0}, 5.0)
    values, skipped = settle(guards, {"number": 3, "tensor": torch.tensor(4.0)})
    assert values == {"number": 3, "tensor": 4.0} and skipped == {"bad"}
    assert [(guard.steps, guard.skipped) for guard in guards.values()] == [(1, 0), (1, 1), (0, 0)]
    assert settle(guards, {}) == ({}, set())


@pytest.mark.parametrize(("epochs", "images", "batch", "steps"), [(1, 10, 4, 2), (20, 10, 4, 50), (0.01, 10, 4, 1)])
def test_passes_become_steps(epochs, images, batch, steps):
    assert steps_for(epochs, images, batch) == steps
