import torch
import torch.nn.functional as F

from lbt.space.slimmable import SlimmableBatchNorm2d, SlimmableConv2d


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


def test_each_width_has_its_own_statistics():
    norm = SlimmableBatchNorm2d((4, 6)).train()
    x = torch.randn(8, 6, 5, 5) * 3 + 2
    torch.testing.assert_close(norm(x, 1), F.batch_norm(x, None, None, training=True))
    assert norm[1].running_mean.abs().min() > 0.1
    assert norm[0].running_mean.abs().max() == 0 and norm[0].num_batches_tracked == 0
