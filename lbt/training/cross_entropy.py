"""Cross-entropy pixel by pixel, with a forward derivative that reverse mode can differentiate.

The forward derivative of PyTorch's `log_softmax` works in place, so PyTorch refuses a reverse pass over it. Here the
forward derivative is written out. The loss is l = -log q_y, for the probabilities q and the true class y. Along a
tangent t of the logits its derivative is m - t_y with m = sum_c q_c t_c. The gradients of that, for a cotangent c, are
c (q - e_y) in t and c q (t - m) in the logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(logits: Tensor, classes: Tensor) -> Tensor:
        return -logits.log_softmax(dim=1).gather(1, classes)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, output)
        ctx.save_for_forward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, None]:
        if gradient is None:
            return None, None
        # In place if no graph keeps the probabilities: new memory costs more than the arithmetic.
        probabilities = _probabilities(*ctx.saved_tensors)
        product = probabilities * gradient if torch.is_grad_enabled() else probabilities.mul_(gradient)
        return product.scatter_add_(1, ctx.saved_tensors[1], -gradient), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: None) -> Tensor:
        return _Derivative.apply(tangent, *ctx.saved_tensors)


class _Derivative(torch.autograd.Function):
    @staticmethod
    def forward(tangent: Tensor, logits: Tensor, classes: Tensor, losses: Tensor) -> Tensor:
        mean = _probabilities(logits, classes, losses).mul_(tangent).sum(dim=1, keepdim=True)
        return mean - tangent.gather(1, classes)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        tangent, logits, classes, losses, output = ctx.saved_tensors
        if torch.is_grad_enabled():  # a further derivative needs `losses` and `output` as functions of the logits
            probabilities = logits.softmax(dim=1)
            product, mean = probabilities * cotangent, (probabilities * tangent).sum(dim=1, keepdim=True)
            return product.scatter_add(1, classes, -cotangent), product * (tangent - mean), None, None
        product = _probabilities(logits, classes, losses).mul_(cotangent)
        in_logits = (tangent - (output + tangent.gather(1, classes))).mul_(product)
        return product.scatter_add_(1, classes, -cotangent), in_logits, None, None


def _probabilities(logits: Tensor, classes: Tensor, losses: Tensor) -> Tensor:
    return (logits - (logits.gather(1, classes) + losses)).exp_()


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """-log softmax(logits)_y of each pixel, differentiable once in forward mode and any number of times in reverse.

    Args:
        logits: (B, C, H, W).
        classes: the true class y, (B, H, W) int64 in 0 ... C - 1.

    Returns:
        (B, H, W).
    """
    return _CrossEntropy.apply(logits, classes.unsqueeze(1)).squeeze(1)
