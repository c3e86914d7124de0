import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lbt.space.architecture import OPERATORS
from lbt.space.operators import ConvBnRelu, FactorizedReduce, Zoom, build_derived_operator, build_operator


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_has_its_output_shape(name, stride):
    operator = build_operator(name, (8, 16), (8, 24), stride)
    for count in (8, 16):
        for width, out in enumerate((8, 24)):
            assert operator(torch.randn(2, count, 6, 8), width).shape == (2, out, 6 // stride, 8 // stride)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 4)])
def test_stride_1_takes_odd_sizes(name, size):
    assert build_operator(name, (8,), (8,), 1)(torch.randn(2, 8, *size)).shape == (2, 8, *size)


@pytest.mark.parametrize(
    ("name", "convolutions"), [("skip", 1), ("conv", 1), ("zoom", 1), ("conv_2x", 2), ("zoom_2x", 2)]
)
def test_operators_have_the_expected_number_of_parameters(name, convolutions):
    kernel = 1 if name == "skip" else 9
    expected = 8 * 16 * kernel + (16 * 16 * 9 if convolutions == 2 else 0) + 2 * 16 * convolutions
    for stride in (1, 2):
        operator = build_operator(name, (8,), (16,), stride)
        assert sum(p.numel() for p in operator.parameters()) == expected


def test_zoom_is_bilinear_halving_convolution_bilinear_doubling():
    zoom = Zoom((4,), (4,), stride=1, depth=1).eval()
    x = torch.randn(2, 4, 8, 12)
    small = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
    small = zoom.convs[0](small)
    torch.testing.assert_close(zoom(x), F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False))


def test_factorized_reduce_reads_even_and_odd_pixels():
    reduce = FactorizedReduce((1,), (2,)).eval()
    reduce.even.weight.data.fill_(1)
    reduce.odd.weight.data.fill_(1)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    expected = torch.stack([x[0, 0, ::2, ::2], x[0, 0, 1::2, 1::2]])[None]
    torch.testing.assert_close(reduce(x), expected / (1 + 1e-5) ** 0.5)


def test_a_derived_skip_is_the_identity_if_channels_agree():
    assert isinstance(build_derived_operator("skip", 8, 8, 1), nn.Identity)
    assert isinstance(build_derived_operator("skip", 8, 16, 2), FactorizedReduce)
    with pytest.raises(ValueError, match="8 channels into 16"):
        build_derived_operator("skip", 8, 16, 1)


def test_unknown_operator_is_named():
    with pytest.raises(ValueError, match="'pool'"):
        build_operator("pool", (8,), (8,), 1)


def test_convolution_then_batch_norm_then_relu():
    layer = ConvBnRelu((3,), (4,), 3).eval()
    layer.bn[0].bias.data.fill_(-1)
    x = torch.randn(1, 3, 5, 5)
    expected = F.relu(layer.bn[0](F.conv2d(x, layer.conv.weight, padding=1)))
    assert torch.equal(layer(x), expected)
