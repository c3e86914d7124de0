"""The form in which a network is used: each BatchNorm folded into its convolution, weights in channels-last order."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights

from lbt.space.batch_norm import BatchNorm2d
from lbt.space.operators import ConvBnRelu, FactorizedReduce
from lbt.space.slimmable import SlimmableConv2d

Module = TypeVar("Module", bound=nn.Module)


class FoldedConv(nn.Module):
    """`ConvBnRelu` of one width in evaluation mode, as a convolution with bias and a ReLU."""

    def __init__(self, layer: ConvBnRelu):
        super().__init__()
        weight, bias = _fold(layer.conv.weight, layer.bn.norm(0))
        self.conv = _convolution(weight, bias, layer.conv)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        return F.relu_(self.conv(x))


class FoldedReduce(nn.Module):
    """`FactorizedReduce` of one width in evaluation mode, as two convolutions with bias and a ReLU."""

    def __init__(self, layer: FactorizedReduce):
        super().__init__()
        weight, bias = _fold(torch.cat([layer.even.weight, layer.odd.weight]), layer.bn.norm(0))
        half = layer.even.out_channels[0]
        self.even = _convolution(weight[:half], bias[:half], layer.even)
        self.odd = _convolution(weight[half:], bias[half:], layer.odd)

    def forward(self, x: Tensor, width: int = 0) -> Tensor:
        """(B, c, H, W) -> (B, out_channels, H / 2, W / 2) for even H and W."""
        return F.relu_(torch.cat([self.even(x), self.odd(x[..., 1:, 1:])], dim=1))


def fold_batch_norm(module: Module) -> Module:
    """A copy of a derived network, or of a part of it, that computes the same in less time; only for inference.

    In evaluation mode, BatchNorm multiplies and shifts each channel by constants, so it becomes part of the convolution
    before it. The result differs by rounding only. Weights in channels-last order (NHWC) make PyTorch compute every
    feature in that order, which is faster on CPUs and on GPUs with tensor cores.

    Args:
        module: with layers of a single width; a network of torchvision works too.
    """
    return cast(Module, _replace(copy.deepcopy(module))).eval().to(memory_format=torch.channels_last)


def _replace(module: nn.Module) -> nn.Module:
    if isinstance(module, ConvBnRelu):
        return FoldedConv(module)
    if isinstance(module, FactorizedReduce):
        return FoldedReduce(module)
    if isinstance(module, nn.Sequential):
        _fuse_neighbours(module)
    for name, child in module.named_children():
        setattr(module, name, _replace(child))
    return module


def _fuse_neighbours(layers: nn.Sequential) -> None:
    """Fold each BatchNorm that follows a convolution, as in networks of torchvision."""
    for index in range(len(layers) - 1):
        conv, norm = layers[index], layers[index + 1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            layers[index], layers[index + 1] = fuse_conv_bn_eval(conv.eval(), norm.eval()), nn.Identity()


def _fold(weight: Tensor, norm: BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of convolution and BatchNorm together, rounded once."""
    assert (
        norm.running_mean is not None and norm.running_var is not None
    )  # only a BatchNorm without statistics has none
    mean, variance, scale, shift = (
        values.detach().double() for values in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    )
    folded = fuse_conv_bn_weights(weight.detach().double(), None, mean, variance, norm.eps, scale, shift)
    return folded[0].detach().to(weight.dtype), folded[1].detach().to(weight.dtype)


def _convolution(weight: Tensor, bias: Tensor, layer: SlimmableConv2d) -> nn.Conv2d:
    outgoing, incoming, side, _ = weight.shape
    conv = nn.Conv2d(incoming, outgoing, side, layer.stride, layer.padding, device="meta")
    conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias)
    return conv
