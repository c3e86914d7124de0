"""PyTorch's fused BatchNorm kernels, applied to the whole batch of all processes of a job.

All processes have equally many rows, so the mean over the whole batch is the mean of their means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lbt.runtime.distributed import group


def normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Normalise by the statistics of the whole batch.

    Returns:
        The result (B, c, H, W); the mean and the unbiased variance (c,); and, for `normalise_backward`, the mean and
        1 / sqrt(variance + eps) of the biased variance (c,).
    """
    others = group()
    if others.size == 1:
        mean, variance = weight.new_zeros(2, x.shape[1]).unbind()
        # With a momentum of 1 the kernel overwrites them with the batch's statistics.
        y, saved_mean, saved_scale = torch.native_batch_norm(x, weight, bias, mean, variance, True, 1.0, eps)
        return y, mean, variance, saved_mean, saved_scale
    # In the weights' format, which is float32 where x is bfloat16.
    own = torch.stack(torch.var_mean(x.to(weight.dtype), dim=(0, 2, 3), correction=0))
    variances, means = others.all_gather(own[None]).unbind(1)
    mean = means.mean(0)
    variance = (variances + (means - mean).square()).mean(0)
    y, _, _ = torch.native_batch_norm(x, weight, bias, mean, variance, False, 0.0, eps)
    count = others.size * x.numel() / len(mean)
    return y, mean, variance * (count / (count - 1)), mean.clone(), (variance + eps).rsqrt()


def normalise_backward(
    gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, eps: float, output_mask: Sequence[bool]
) -> tuple[Any, Any, Any]:
    """Gradients of `normalise` in x, weight and bias.

    Args:
        gradient, x: (B, c, H, W).
        weight: (c,).
        mean, scale: (c,), the last two results of `normalise`.
        eps: as in `normalise`.
        output_mask: for each of the three gradients, whether to compute it.

    Returns:
        Three tensors, or None for each gradient that was not asked for. The gradients in weight and bias are the same
        in all processes: the sums over the whole batch, divided by the number of processes.
    """
    kernel, others = torch.ops.aten.native_batch_norm_backward, group()
    if others.size == 1:
        return kernel(gradient, x, weight, None, None, mean, scale, True, eps, list(output_mask))
    if torch.is_grad_enabled():  # the kernel's own derivative would ignore the rows of other processes
        return _backward_by_definition(gradient, x, weight, eps)
    _, *sums = kernel(gradient, x, weight, None, None, mean, scale, True, eps, [False, True, True])
    in_weight, in_bias = others.all_reduce(torch.stack(sums)) / others.size
    in_x = None
    if output_mask[0]:
        count = x.numel() / len(mean)
        # w s (g - m(g) - h m(h g)) for h = s (x - mean) and the means m over the whole batch
        factor = weight * scale
        along_x = -factor * scale * in_weight / count
        rest = -factor * in_bias / count - along_x * mean
        in_x = torch.addcmul(per_channel(rest), gradient, per_channel(factor)).addcmul_(x, per_channel(along_x))
    return in_x, in_weight if output_mask[1] else None, in_bias if output_mask[2] else None


def _backward_by_definition(gradient: Tensor, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    centred = x - batch_mean(x)
    scale = (batch_mean(centred.square()) + eps).rsqrt()
    h, count = centred * scale, x.numel() / len(weight)
    in_weight, in_bias = batch_mean(gradient * h), batch_mean(gradient)
    in_x = per_channel(weight) * scale * (gradient - in_bias - h * in_weight)
    return in_x, count * in_weight.flatten(), count * in_bias.flatten()


def batch_mean(values: Tensor) -> Tensor:
    """Mean of each channel over the whole batch, differentiable: (B, c, H, W) -> (1, c, 1, 1)."""
    others = group()
    return others.all_reduce(values.mean(dim=(0, 2, 3), keepdim=True)) / others.size


def per_channel(values: Tensor) -> Tensor:
    """(c,) -> (c, 1, 1)."""
    return values[:, None, None]
