"""The pretended GPU: what it refuses, and what it counts."""

import numpy as np
import pytest
import torch
from pretended_gpu import pretended_gpu
from pretended_memory import CPU, CUDA, MixedDevicesError
from torch import nn

from lbt.runtime.device import fetch, upload


def test_tensors_know_their_device():
    with pretended_gpu():
        a = torch.ones(3).to("cuda")
        assert a.device == CUDA and a.is_cuda and (a + 1)[1:].device == CUDA and a.sum().device == CUDA
        assert torch.zeros(2, device="cuda").is_cuda and a.new_zeros(2).is_cuda and torch.zeros_like(a).is_cuda
        assert a.cpu().device == CPU and not a.cpu().is_cuda and a.cpu().to(a).is_cuda
        assert all(p.is_cuda for p in nn.Conv2d(1, 1, 1).to("cuda").parameters())
        assert torch.cuda.is_available()
    assert not a.is_cuda and torch.cuda.is_available is not None


@pytest.mark.parametrize(
    "mix",
    [
        lambda a, b: a + b,
        lambda a, b: torch.cat([a, b]),
        lambda a, b: torch.stack([a[0], b[0]]),
        lambda a, b: torch._foreach_add([a], [b]),
        lambda a, b: nn.functional.linear(a[None], b[None]),
        lambda a, b: a.bernoulli_(0.5, generator=torch.Generator()),
        lambda a, b: torch.rand(2, device="cuda", generator=torch.Generator()),
    ],
)
def test_a_mix_raises(mix):
    with pretended_gpu():
        a, b = torch.ones(3, device="cuda"), torch.ones(3)
        with pytest.raises(MixedDevicesError):
            mix(a, b)


def test_a_mix_in_the_backward_pass_raises():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * torch.ones(3)

    with pretended_gpu():
        x = torch.ones(3, device="cuda").requires_grad_()
        with pytest.raises(MixedDevicesError):
            Wrong.apply(x).sum().backward()


def test_a_tensor_of_the_gpu_is_no_array():
    with pretended_gpu(), pytest.raises(TypeError, match="cuda:0"):
        torch.ones(3, device="cuda").numpy()
    with pretended_gpu():
        assert np.array_equal(torch.ones(3, device="cuda").cpu().numpy(), np.ones(3))


def test_single_numbers_of_the_host_may_join():
    with pretended_gpu():
        assert (torch.ones(3, device="cuda") * torch.tensor(2.0)).is_cuda


def test_launches_waits_and_copies_are_counted():
    with pretended_gpu() as gpu:
        a = torch.ones(3).to("cuda")
        assert (gpu.launches.total(), gpu.waits.total(), gpu.copies.total()) == (0, 1, 1)
        gpu.clear()
        (a * 2).view(1, 3)
        assert (gpu.launches.total(), gpu.waits.total()) == (1, 0)
        float(a.sum()), a.tolist(), bool((a > 0).all()), a.cpu()
        assert gpu.waits.total() == 4
        gpu.clear()
        torch._foreach_add_([a.clone() for _ in range(111)], 1)
        assert gpu.launches == {"clone": 111, "_foreach_add_": 2}
        gpu.clear()
        torch._foreach_zero_([torch.ones(2, device="cuda"), torch.ones(2, dtype=torch.int64, device="cuda")])
        assert gpu.launches["_foreach_zero_"] == 2


def test_pinned_memory_goes_up_without_a_wait_and_its_gradient_comes_down_once():
    with pretended_gpu() as gpu:
        leaf = torch.arange(3.0).requires_grad_()
        (upload(leaf, CUDA) ** 2).sum().backward()
        assert leaf.grad.tolist() == [0, 2, 4] and leaf.grad.device == CPU
        assert gpu.waits.total() == 1 and gpu.copies.total() == 2
        gpu.clear()
        values = {"a": torch.tensor(1.5, device="cuda"), "b": 2.0, "c": torch.tensor(True, device="cuda")}
        gpu.clear()
        assert fetch(values) == {"a": 1.5, "b": 2.0, "c": 1.0} and gpu.waits.total() == 1
    assert upload(leaf, CPU) is leaf
