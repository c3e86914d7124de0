import pytest
import torch
import torch.nn.functional as F

from lbt.space.slimmable import SlimmableBatchNorm2d, SlimmableConv2d, joint_conv2d, slices_added_in_place


def test_convolution_uses_the_first_channels_of_one_weight():
    conv = SlimmableConv2d((8, 16), (4, 12, 20), kernel_size=3, stride=2)
    assert conv.weight.shape == (20, 16, 3, 3)
    x = torch.randn(2, 8, 7, 10)
    small = torch.nn.Conv2d(8, 12, 3, stride=2, padding=1, bias=False)
    small.weight.data.copy_(conv.weight[:12, :8])
    torch.testing.assert_close(conv(x, 1), small(x))


def test_gradient_stays_inside_the_slice():
    conv = SlimmableConv2d((8, 16), (4, 12), kernel_size=1)
    conv(torch.randn(1, 8, 4, 4), 0).square().sum().backward()
    used = conv.weight.grad != 0
    assert used[:4, :8].all() and not used[4:].any() and not used[:, 8:].any()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("widths", [(1, 0, 0), (0, 1, 0), (0, 0)])
def test_gradients_that_are_added_in_place_are_those_of_autograd(widths, memory_format):
    """Also if the first gradient is a part of that of joined weights."""
    torch.manual_seed(0)
    convs = [SlimmableConv2d((8, 16), (4, 12), kernel_size=3).double().to(memory_format=memory_format) for _ in "ab"]
    passes = [(torch.randn(2, (8, 16)[width], 5, 6).double(), width) for width in widths]

    def gradients():
        for x, width in passes:
            joint_conv2d(x, [(conv, width) for conv in convs], 1).square().sum().backward()
        found = [conv.weight.grad for conv in convs]
        for conv in convs:
            conv.weight.grad = None
        return found

    expected = gradients()
    with slices_added_in_place():
        found = gradients()
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=0)


def test_each_width_has_its_own_statistics():
    norm = SlimmableBatchNorm2d((4, 6)).train()
    x = torch.randn(8, 6, 5, 5) * 3 + 2
    torch.testing.assert_close(norm(x, 1), F.batch_norm(x, None, None, training=True))
    assert norm[1].running_mean.abs().min() > 0.1
    assert norm[0].running_mean.abs().max() == 0 and norm[0].num_batches_tracked == 0
