"""Weight steps: what they were made of, and that a step that cannot be taken teaches nothing."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lbt.config import OptimizerSettings, SearchSettings, StudentSettings
from lbt.optimisation import GuardedStep, sgd
from lbt.search.architecture_step import NO_ARCHITECTURE_STEP
from lbt.search.methods import load_method
from lbt.search.round import architecture_step
from lbt.search.weight_steps import student_step

PLAIN = OptimizerSettings(lr=0.1, momentum=0.0, weight_decay=0.0, clip_norm=0.5)
SEARCH = SearchSettings(pseudo_weight=0.7, student=StudentSettings(optimizer=PLAIN))


class Student(nn.Module):
    """One convolution that answers as torchvision's networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)

    def forward(self, images):
        return {"out": self.body(images)}


@pytest.fixture
def state():
    torch.manual_seed(0)
    student = Student()
    return SimpleNamespace(student=student, student_optimizer=sgd(student.parameters(), PLAIN))


@pytest.fixture
def batches():
    torch.manual_seed(1)
    labelled = (torch.randn(2, 3, 5, 5), torch.randint(4, (2, 5, 5)))
    unlabeled = (torch.randn(2, 3, 5, 5), torch.randn(2, 4, 5, 5).softmax(1))
    return labelled, unlabeled, labelled


def test_the_step_descends_both_losses_and_reports_its_true_size(state, batches):
    (images, labels), (unlabeled, probability), _ = batches
    weight, bias = (p.detach().clone().requires_grad_() for p in state.student.parameters())

    def logits(x):
        return nn.functional.conv2d(x, weight, bias)

    loss = nn.functional.cross_entropy(logits(images), labels)
    loss = loss + 0.7 * -(probability * logits(unlabeled).log_softmax(1)).sum(1).mean()
    gradients = torch.autograd.grad(loss, (weight, bias))
    length = float(sum(g.square().sum() for g in gradients)) ** 0.5
    assert length > PLAIN.clip_norm  # the step is clipped
    _, step = student_step(state, batches, SEARCH, GuardedStep("student"), noise_seed=0)
    assert step.step_size == pytest.approx(0.1 * 0.5 / length, rel=1e-4)
    for before, after, gradient in zip(step.before.values(), state.student.parameters(), gradients, strict=True):
        torch.testing.assert_close(after.detach(), before - step.step_size * gradient, rtol=1e-4, atol=1e-6)


def test_a_step_that_is_not_finite_is_skipped_and_so_is_the_architectures(state, batches):
    labelled, (unlabeled, probability), held_out = batches
    unlabeled[0, 0, 0, 0] = math.nan
    before = {name: value.clone() for name, value in state.student.state_dict().items()}
    guard = GuardedStep("student")
    record, step = student_step(state, (labelled, (unlabeled, probability), held_out), SEARCH, guard, noise_seed=0)
    assert step is None and guard.skipped == 1 and math.isnan(record["student_weight_gradient_norm"])
    assert all(torch.equal(before[name], value) for name, value in state.student.state_dict().items())
    found = architecture_step(state, load_method("lbt"), SimpleNamespace(student_step=step), GuardedStep("A"))
    assert found == NO_ARCHITECTURE_STEP
