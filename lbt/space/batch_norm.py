"""BatchNorm by the batch's own statistics, with a forward derivative that reverse mode can differentiate.

PyTorch's forward derivative of `batch_norm` in training treats the batch's mean and deviation as constants when it is
differentiated again. A reverse pass over it then gives wrong mixed second derivatives, without an error or a warning.
Here the derivative along a tangent depends on the input. The backward pass of normalisation is linear and self-adjoint
in each channel. Therefore PyTorch's fused kernels also compute the forward derivative and its gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lbt.space.batch_norm_kernels import batch_mean, normalise, normalise_backward, per_channel


class _Normalise(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        return normalise(x, weight, bias, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, _, ctx.eps = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, *output[3:])
        ctx.save_for_forward(x, weight, *output[3:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return None, None, None, None
        x, weight, mean, scale = ctx.saved_tensors
        return *normalise_backward(gradient, x, weight, mean, scale, ctx.eps, ctx.needs_input_grad[:3]), None

    @staticmethod
    def jvp(
        ctx: Any, x_tangent: Tensor | None, weight_tangent: Tensor | None, bias_tangent: Tensor | None, _: None
    ) -> tuple[Tensor | None, ...]:
        x, weight, mean, scale = ctx.saved_tensors
        terms = []
        if x_tangent is not None:
            terms.append(_Derivative.apply(x_tangent, x, weight, mean, scale, ctx.eps)[0])
        if weight_tangent is not None:
            bias = torch.zeros_like(weight) if bias_tangent is None else bias_tangent
            terms.append(_Normalise.apply(x, weight_tangent, bias, ctx.eps)[0])
        elif bias_tangent is not None:
            terms.append(bias_tangent[:, None, None].expand_as(x))
        return (sum(terms[1:], terms[0]) if terms else None), None, None, None, None


class _Derivative(torch.autograd.Function):
    """The derivative of normalising x along a tangent a: w s (a - m(a) - h m(h a)).

    Here w is the weight, m the mean over a channel, s = 1 / sqrt(variance + eps), and h = s (x - m(x)). Let c be a
    cotangent, q = m(h a) and r = m(h c), and let k = m(c a) - m(c) m(a) be the covariance. Then the gradients are

        in a    w s (c - m(c) - h r), the same function as of a above,
        in x    - w s^2 [r (a - m(a)) + q (c - m(c)) + h (k - 3 q r)],
        in w    s sum(c (a - m(a) - h q)) = n s (k - q r).
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        tangent: Tensor, x: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        result, q, tangent_mean = normalise_backward(tangent, x, weight, mean, scale, eps, [True, True, True])
        count = x.numel() / len(weight)
        return result, q / count, tangent_mean / count

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.eps = inputs[5]
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs[:5], *output[1:])

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if cotangent is None:
            return (None,) * 6
        tangent, x, weight, mean, scale, q, tangent_mean = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradients will be differentiated again
            return *_gradients_by_definition(cotangent, tangent, x, weight, ctx.eps), None, None, None
        count = x.numel() / len(weight)
        every = [True, True, True]
        in_tangent, r, cotangent_mean = normalise_backward(cotangent, x, weight, mean, scale, ctx.eps, every)
        r, cotangent_mean = r / count, cotangent_mean / count
        # The kernel's gradient in a weight is the covariance of its first two arguments, times the last one.
        one = torch.ones_like(scale)
        k = normalise_backward(cotangent, tangent, one, tangent_mean, one, ctx.eps, [False, True, False])[1] / count
        in_weight = count * scale * (k - q * r)
        if not ctx.needs_input_grad[1]:
            return in_tangent, None, in_weight, None, None, None
        factor = -weight * scale.square()
        along_x = factor * scale * (k - 3 * q * r)
        rest = factor * (-r * tangent_mean - q * cotangent_mean) - along_x * mean
        in_x = torch.addcmul(per_channel(rest), tangent, per_channel(factor * r))
        in_x.addcmul_(cotangent, per_channel(factor * q)).addcmul_(x, per_channel(along_x))
        return in_tangent, in_x, in_weight, None, None, None


def _gradients_by_definition(
    cotangent: Tensor, tangent: Tensor, x: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `_Derivative`, computed by plain operators, which autograd can differentiate."""
    centred, a, c = (values - batch_mean(values) for values in (x, tangent, cotangent))
    scale = (batch_mean(centred.square()) + eps).rsqrt()
    h, factor = centred * scale, per_channel(weight) * scale
    q, r, k = batch_mean(h * a), batch_mean(h * c), batch_mean(a * c)
    in_x = -factor * scale * (r * a + q * c + h * (k - 3 * q * r))
    return factor * (c - h * r), in_x, (scale * c * (a - h * q)).sum(dim=(0, 2, 3))


def normalise_batch(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise by the batch's statistics; differentiable twice in any mix of forward and reverse mode.

    Args:
        x: (B, c, H, W) with more than one number in each channel.
        weight, bias: (c,).
        eps: added to the variance.

    Returns:
        The result (B, c, H, W), and the batch's mean and unbiased variance (c,), which carry no gradient.
    """
    y, mean, variance, _, _ = _Normalise.apply(x, weight, bias, eps)
    return y, mean, variance


class BatchNorm2d(nn.BatchNorm2d):
    """PyTorch's BatchNorm, but training normalises by the whole batch of all processes (`normalise_batch`)."""

    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, c, H, W)."""
        if not self.training:
            return super().forward(x)
        y, mean, variance = normalise_batch(x, self.weight, self.bias, self.eps)
        update_statistics([StatisticsUpdate(self, mean, variance)])
        return y


def synchronise_batch_norms(module: nn.Module) -> None:
    """Replace every BatchNorm of PyTorch by a `BatchNorm2d` with the same tensors and name, in place."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            replacement = BatchNorm2d(child.num_features, child.eps, child.momentum).train(child.training)
            for key, tensor in [*child.named_parameters(), *child.named_buffers()]:
                setattr(replacement, key, tensor)
            setattr(module, name, replacement)
        else:
            synchronise_batch_norms(child)


@dataclass(frozen=True)
class StatisticsUpdate:
    """The mean and unbiased variance (c,) of a training batch, for the running statistics of a BatchNorm."""

    norm: BatchNorm2d
    mean: Tensor
    variance: Tensor


@torch.no_grad()
def update_statistics(updates: Sequence[StatisticsUpdate]) -> None:
    """Move running means and variances towards the batch's by each BatchNorm's momentum, as `nn.BatchNorm2d` does.

    A BatchNorm with `track_running_stats = False` keeps its statistics.
    """
    updates = [update for update in updates if update.norm.track_running_stats]
    if not updates:
        return
    # One launch for all, because hundreds of tiny launches would take a GPU longer than the convolutions.
    by_factor: dict[float, list[StatisticsUpdate]] = {}
    torch._foreach_add_([update.norm.num_batches_tracked for update in updates], 1)
    for update in updates:
        momentum = update.norm.momentum
        factor = 1 / int(update.norm.num_batches_tracked) if momentum is None else momentum
        by_factor.setdefault(factor, []).append(update)
    for factor, group in by_factor.items():
        running = [getattr(update.norm, name) for name in ("running_mean", "running_var") for update in group]
        batch = [u.mean for u in group] + [u.variance for u in group]
        torch._foreach_lerp_(running, batch, factor)
