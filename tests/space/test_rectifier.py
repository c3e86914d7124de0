import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck
from torch.func import jvp, vmap

from lbt.space.cell import rectify


def away_from_the_kink(*shape):
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    return torch.where(x.abs() < 0.1, 0.5, x)


def test_derivatives_of_first_and_second_order():
    x = away_from_the_kink(2, 3, 4).requires_grad_()
    assert gradcheck(rectify, x, check_forward_ad=True)
    assert gradgradcheck(lambda v: rectify(v * v.sin()), x)


def test_rectify_equals_relu_at_zero_and_at_numbers_that_are_not_finite():
    x = torch.tensor([-1.0, -0.0, 0.0, 2.0, torch.inf, -torch.inf, torch.nan]).requires_grad_()
    assert torch.equal(rectify(x).nan_to_num(7), F.relu(x).nan_to_num(7))
    finite = x.detach()[:4].requires_grad_()
    ours, theirs = (torch.autograd.grad(f(finite).sum(), finite)[0] for f in (rectify, F.relu))
    assert torch.equal(ours, theirs)


def test_rectify_works_under_jvp_and_vmap():
    x, v = away_from_the_kink(5, 3), away_from_the_kink(5, 3)
    value, tangent = jvp(rectify, (x,), (v,))
    assert torch.equal(value, F.relu(x)) and torch.equal(tangent, v * (x > 0))
    assert torch.equal(vmap(rectify)(x), F.relu(x))


def test_the_backward_pass_needs_only_a_mask():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        rectify(away_from_the_kink(4, 4).requires_grad_())
    assert [t.dtype for t in kept] == [torch.bool]


def test_rectify_keeps_the_memory_format():
    x = torch.randn(2, 4, 3, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = rectify(x)
    assert y.is_contiguous(memory_format=torch.channels_last)
