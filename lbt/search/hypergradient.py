"""How a student's validation loss depends on the labels that it learned from, without a double backward pass.

The student takes one step of gradient descent on cross-entropy against soft labels p,

    S' = S - step_size * grad_S mean_x [- sum_c p_c(x) log q_c(x; S)].

Cross-entropy is linear in p, so the derivative of the loss L(S', D_s^val) with respect to p_c(x) is
step_size * d_c(x) / (number of pixels), where d_c(x) is the derivative of log q_c(x; S) along v = grad L(S', D_s^val).
One forward-mode product gives d for all classes and pixels. The gradient with respect to anything that p depends on
is then that of `labelling_value`, with d held fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

Parameters = Mapping[str, Tensor]


def call_without_side_effects(module: nn.Module, parameters: Parameters, *arguments: object) -> object:
    """`module(*arguments)` with other parameters, on copies of its buffers: BatchNorm statistics stay untouched."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    return functional_call(module, (dict(parameters), buffers), arguments)


def loss_gradient(loss: Callable[[Parameters], Tensor], parameters: Parameters) -> tuple[Tensor, dict[str, Tensor]]:
    """Value and gradient of a scalar function of named parameters; the parameters' own `.grad` stays untouched."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    value = loss(leaves)
    gradients = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
    pairs = zip(leaves.items(), gradients, strict=True)
    return value.detach(), {name: torch.zeros_like(leaf) if g is None else g for (name, leaf), g in pairs}


def directional_log_probabilities(
    logits: Callable[[Parameters], Tensor], parameters: Parameters, direction: Parameters
) -> Tensor:
    """Derivative of the log-probabilities along a direction in parameter space.

    Args:
        logits: function of the parameters that returns (B, C, H, W).
        parameters: the point, by name.
        direction: the direction, by the same names.

    Returns:
        d log softmax(logits(parameters + t * direction)) / dt at t = 0, (B, C, H, W), without gradient.
    """
    point = {name: value.detach() for name, value in parameters.items()}
    tangent = {name: direction[name].detach() for name in point}
    with torch.no_grad():
        _, derivative = jvp(lambda p: logits(p).log_softmax(dim=1), (point,), (tangent,))
    return derivative.detach()


def labelling_value(probability: Tensor, derivative: Tensor, step_size: float) -> Tensor:
    """The scalar whose gradient through the labels is the gradient of the student's validation loss.

    Args:
        probability: the teacher's soft labels p, (B, C, H, W), with their graph; pixels without a label hold zeros.
        derivative: d of `directional_log_probabilities`, (B, C, H, W).
        step_size: learning rate of the student's step times the weight of the pseudo-labelled loss in it.

    Returns:
        step_size * mean over labelled pixels of sum_c p_c d_c, a scalar.
    """
    labelled = (probability.detach().sum(dim=1) > 0).sum().clamp(min=1)
    return step_size * (probability * derivative.detach()).sum() / labelled
