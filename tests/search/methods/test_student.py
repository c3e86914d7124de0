"""The student's step, and a step that is skipped."""

import math

import pytest
import torch
from torch import nn

from lbt.config import OptimizerSettings, PseudoLabelSettings, SearchSettings, StudentSettings
from lbt.runtime.device import fetch
from lbt.runtime.distributed import ALONE
from lbt.search.methods.lbt.student import Student
from lbt.training.optimizers import settle

PLAIN = OptimizerSettings(lr=0.1, momentum=0.0, weight_decay=0.0, clip_norm=0.5)


class Network(nn.Module):
    """One convolution with the outputs of torchvision's networks."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 1)

    def forward(self, images):
        return {"out": self.body(images)}


class PlainStudent(Student):
    """The student with one convolution."""

    def build(self, num_classes, seed):
        torch.manual_seed(seed)
        return Network()


def student(**labels):
    search = SearchSettings(
        pseudo_weight=0.7, student=StudentSettings(optimizer=PLAIN), pseudo_labels=PseudoLabelSettings(**labels)
    )
    partner = PlainStudent(search, 4, 0, torch.device("cpu"), ALONE)
    partner.begin_round("lbt, round 1", 1.0, None)
    return partner


@pytest.fixture
def batches():
    torch.manual_seed(1)
    labelled = (torch.randn(2, 3, 5, 5), torch.randint(4, (2, 5, 5)))
    unlabeled = (torch.randn(2, 3, 5, 5), (2 * torch.randn(2, 4, 5, 5)).softmax(1))
    return labelled, unlabeled, labelled


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_the_step_descends_both_losses(batches, kind):
    partner = student(targets=kind)
    (images, labels), (unlabeled, probability), _ = batches
    weight, bias = (p.detach().clone().requires_grad_() for p in partner.network.parameters())

    def logits(x):
        return nn.functional.conv2d(x, weight, bias)

    target = probability if kind == "soft" else probability.argmax(1)
    pseudo_loss = nn.functional.cross_entropy(logits(unlabeled), target)
    loss = nn.functional.cross_entropy(logits(images), labels) + 0.7 * pseudo_loss
    gradients = torch.autograd.grad(loss, (weight, bias))
    length = float(sum(g.square().sum() for g in gradients)) ** 0.5
    assert length > PLAIN.clip_norm  # the step is clipped
    values, taken = partner.train_step(batches, noise_seed=0)
    record, _ = settle(partner.guards, values)
    assert record["pseudo_loss"] == pytest.approx(float(pseudo_loss.detach())) and record["pseudo_share"] == 1
    for before, p, gradient in zip((weight, bias), partner.network.parameters(), gradients, strict=True):
        torch.testing.assert_close(p.detach(), before.detach() - 0.1 * 0.5 / length * gradient, rtol=1e-4, atol=1e-6)
    assert taken.step.before.keys() == dict(partner.network.named_parameters()).keys()


def test_a_step_that_is_not_finite_is_skipped(batches):
    partner = student()
    labelled, (unlabeled, probability), held_out = batches
    unlabeled[0, 0, 0, 0] = math.nan
    before = {name: value.clone() for name, value in partner.network.state_dict().items()}
    values, _ = partner.train_step((labelled, (unlabeled, probability), held_out), noise_seed=0)
    record, skipped = settle(partner.guards, values)
    assert skipped == {"student"} and partner.guards["student"].skipped == 1
    assert math.isnan(record["student_weight_gradient_norm"]) and set(record) == set(Student.COLUMNS)
    assert all(torch.equal(before[name], value) for name, value in partner.network.state_dict().items())


def test_a_threshold_excludes_pixels(batches):
    values, taken = student(threshold=0.7).train_step(batches, noise_seed=0)
    record = fetch(values)
    confident = batches[1][1].amax(1) >= 0.7
    assert record["pseudo_share"] == pytest.approx(float(confident.float().mean())) and 0 < record["pseudo_share"] < 1
    assert torch.equal(taken.weight > 0, confident)
