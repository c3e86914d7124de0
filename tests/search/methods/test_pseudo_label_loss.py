"""Targets and weights of pseudo-labels, and their loss, against plain loops."""

import pytest
import torch

from lbt.config import PseudoLabelSettings
from lbt.pseudo_labels.dataset import temper
from lbt.runtime.distributed import ALONE
from lbt.search.methods.lbt.pseudo_label_loss import compute_targets_and_weights, weighted_cross_entropy


@pytest.fixture
def probability():
    torch.manual_seed(0)
    found = (2 * torch.randn(2, 4, 5, 6).double()).softmax(1)
    found[0, :, :2] = 0  # outside the image
    return found


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_the_temperature_is_that_of_the_softmax(temperature):
    logits = 5 * torch.randn(4, 3, 3).double()
    torch.testing.assert_close(temper(logits.softmax(0), temperature), (logits / temperature).softmax(0))


def test_a_small_temperature_leaves_the_most_probable_class():
    found = temper(torch.tensor([0.2, 0.5, 0.3, 0.0]).view(4, 1, 1), 1e-3)
    torch.testing.assert_close(found.flatten(), torch.tensor([0.0, 1.0, 0.0, 0.0]))


@pytest.mark.parametrize("weighting", ["uniform", "confidence"])
@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_targets_and_weights_equal_a_loop_over_pixels(probability, weighting, kind, threshold):
    settings = PseudoLabelSettings(targets=kind, threshold=threshold, weighting=weighting)
    target, weight = compute_targets_and_weights(probability, settings, ALONE)
    expected, total = torch.zeros(2, 5, 6).double(), 0.0
    for b in range(2):
        for i in range(5):
            for j in range(6):
                p = probability[b, :, i, j].tolist()
                confidence = max(p)
                if confidence > 0 and confidence >= threshold:
                    expected[b, i, j] = confidence if weighting == "confidence" else 1.0
                    total += float(expected[b, i, j])
                    hard = [float(c == p.index(confidence)) for c in range(4)]
                    assert target[b, :, i, j].tolist() == (p if kind == "soft" else hard)
    torch.testing.assert_close(weight, expected / total)
    assert 0 < int((weight > 0).sum()) < weight.numel()


def test_if_no_pixel_counts_the_loss_is_zero_and_differentiable(probability):
    target, weight = compute_targets_and_weights(probability, PseudoLabelSettings(threshold=1.0), ALONE)
    logits = torch.randn_like(probability).requires_grad_()
    loss = weighted_cross_entropy(logits, target, weight, ALONE)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == 0 and (gradient == 0).all()


def test_with_equal_weights_the_loss_is_pytorchs_cross_entropy(probability):
    logits = torch.randn_like(probability)
    target, weight = compute_targets_and_weights(probability[1:], PseudoLabelSettings(), ALONE)
    expected = torch.nn.functional.cross_entropy(logits[1:], probability[1:])
    torch.testing.assert_close(weighted_cross_entropy(logits[1:], target, weight, ALONE), expected)
