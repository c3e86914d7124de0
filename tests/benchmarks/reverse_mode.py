"""The gradient of `one_step` by reverse mode through both unrolled steps, which the search avoids."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from real_steps import Steps
from torch import Tensor

from lbt.latency.expected import expected_latency
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import as_leaves, call_without_side_effects, gradient_of
from lbt.search.methods.lbt.pseudo_label_loss import weighted_cross_entropy
from lbt.search.step_context import StepContext
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep
from lbt.space.padding import upsample
from lbt.training.losses import supernet_loss

Weights = Mapping[str, Tensor]


def student_logits(context: StepContext, weights: Weights, images: Tensor, seed: int) -> Tensor:
    with fixed_noise(seed, images.device):
        return call_without_side_effects(context.partner_step.network, weights, images)["out"]


def reverse_mode(steps: Steps) -> dict[str, Tensor]:
    """The gradient of `one_step` (raw, unlimited) with both weight steps as graphs: T' and S' are functions of A."""
    context, taken = steps.lbt, steps.lbt.partner_step
    search, architecture = context.search, as_leaves(context.architecture)
    widths = context.passes[0](architecture)

    def supernet(weights: Weights, images: Tensor) -> tuple[Tensor, ...]:
        return call_without_side_effects(context.supernet, weights, images, architecture, widths)

    images, labels = context.teacher_step.batch
    weights = unrolled(
        context.supernet, context.teacher_step.step, lambda w: supernet_loss(supernet(w, images), labels, ALONE)
    )
    probability = (supernet(weights, taken.unlabeled)[0] / search.pseudo_labels.temperature).softmax(dim=1)
    probability = upsample(probability, tuple(taken.unlabeled.shape[-2:]))

    def student_loss(parameters: Weights) -> Tensor:
        unlabelled = student_logits(context, parameters, taken.unlabeled, taken.noise_seed)
        labelled = student_logits(context, parameters, steps.labelled[0], taken.noise_seed + 1)
        pseudo_loss = weighted_cross_entropy(unlabelled, probability, taken.weight, ALONE)
        return search.pseudo_weight * pseudo_loss + labelled_loss(labelled, steps.labelled[1], ALONE)

    after = unrolled(taken.network, taken.step, student_loss)
    images, labels = taken.validation
    student_loss_after = labelled_loss(student_logits(context, after, images, taken.noise_seed), labels, ALONE)
    images, labels = context.validation
    value = supernet_loss(supernet(weights, images), labels, ALONE) + search.student_weight * student_loss_after
    latency = expected_latency(architecture, context.space, context.table)
    return gradient_of(value + context.latency_weight * latency, architecture, ALONE)


def unrolled(module: torch.nn.Module, step: WeightStep, loss: Callable[[Weights], Tensor]) -> dict[str, Tensor]:
    """The weights after a step, as a graph over everything that its loss depends on."""
    leaves, names = as_leaves(step.before), list(step.gradient)
    gradients = torch.autograd.grad(loss(leaves), [leaves[name] for name in names], create_graph=True)
    factor = (step.clip_norm / (torch.stack([g.norm() for g in gradients]).norm() + 1e-6)).clamp(max=1)
    moved = {name: p.detach() for name, p in module.named_parameters()}
    for name, gradient in zip(names, gradients, strict=True):
        clipped = factor * gradient
        moved[name] = moved[name] - step.lr * (clipped - clipped.detach())
    return moved
