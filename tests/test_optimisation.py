"""Guarded steps: clipped, skipped when not finite, and stopped after too many."""

import math

import pytest
import torch
from torch import nn

from lbt.config import OptimizerSettings
from lbt.errors import LbtError
from lbt.optimisation import GuardedStep, sgd
from lbt.steps import steps_for


def parameter_with(gradient):
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor(gradient)
    return parameter


def test_a_long_gradient_is_scaled_to_the_norm():
    parameter = parameter_with([30.0, 40.0])
    optimizer = sgd([parameter], OptimizerSettings(lr=1.0, momentum=0.0, weight_decay=0.0))
    assert GuardedStep("weights").apply(optimizer, 1.0, clip_norm=5.0) == pytest.approx(50.0)
    torch.testing.assert_close(parameter.detach(), torch.tensor([-3.0, -4.0]), rtol=1e-5, atol=1e-5)
    assert parameter.grad is None


@pytest.mark.parametrize(("gradient", "loss"), [([math.nan, 1.0], 1.0), ([math.inf, 1.0], 1.0), ([1.0, 1.0], math.nan)])
def test_what_is_not_finite_moves_nothing_and_is_counted(gradient, loss):
    parameter = parameter_with(gradient)
    optimizer = sgd([parameter], OptimizerSettings())
    guard = GuardedStep("weights")
    assert math.isnan(guard.apply(optimizer, loss, clip_norm=5.0))
    assert guard.skipped == 1
    assert torch.equal(parameter.detach(), torch.zeros(2)) and not optimizer.state


def test_many_skips_in_a_row_stop_with_the_quantity():
    guard = GuardedStep("teacher (lbt, round 3)", limit=3)
    for attempt in range(3):
        optimizer = sgd([parameter_with([math.nan, 0.0])], OptimizerSettings())
        if attempt < 2:
            guard.apply(optimizer, 1.0, 5.0)
        else:
            with pytest.raises(LbtError, match=r"teacher \(lbt, round 3\): 3 updates in a row"):
                guard.apply(optimizer, 1.0, 5.0)


@pytest.mark.parametrize(("epochs", "images", "batch", "steps"), [(1, 10, 4, 2), (20, 10, 4, 50), (0.01, 10, 4, 1)])
def test_passes_become_steps(epochs, images, batch, steps):
    assert steps_for(epochs, images, batch) == steps
