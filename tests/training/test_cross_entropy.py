"""Cross-entropy pixel by pixel: PyTorch's values, and derivatives in every supported mode."""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad, gradcheck, gradgradcheck

from lbt.training.cross_entropy import cross_entropy


@pytest.fixture
def pixels():
    torch.manual_seed(0)
    return torch.randn(2, 4, 3, 5).double().mul(3).requires_grad_(), torch.randint(4, (2, 3, 5))


def test_values_equal_pytorchs(pixels):
    logits, classes = pixels
    torch.testing.assert_close(
        cross_entropy(logits, classes), nn.functional.cross_entropy(logits, classes, reduction="none")
    )


def test_derivatives_equal_finite_differences(pixels):
    logits, classes = pixels
    assert gradcheck(lambda z: cross_entropy(z, classes), logits, check_forward_ad=True)
    assert gradgradcheck(lambda z: cross_entropy(z, classes), logits, check_fwd_over_rev=True)


def derivative(logits, tangent, classes):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(cross_entropy(forward_ad.make_dual(logits, tangent), classes)).tangent


def test_reverse_mode_over_the_forward_derivative_equals_finite_differences(pixels):
    logits, classes = pixels
    tangent = torch.randn_like(logits, requires_grad=True)
    assert gradcheck(lambda z, t: derivative(z, t, classes), (logits, tangent))
    assert gradgradcheck(lambda z, t: derivative(z, t, classes), (logits, tangent))
