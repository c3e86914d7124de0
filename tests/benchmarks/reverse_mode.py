"""The gradient of `one_step` by reverse mode through both unrolled steps, which the methods avoid."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from real_steps import Steps
from torch import Tensor

from lbt.latency.expected import expected_latency
from lbt.search.hypergradient import as_leaves, call_without_side_effects, gradient_of
from lbt.search.methods.lbt.pseudo_label_loss import weighted_cross_entropy
from lbt.search.step_context import StepContext
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep
from lbt.space.padding import upsample
from lbt.space.widths import sample_widths
from lbt.training.losses import supernet_loss

Weights = Mapping[str, Tensor]


def student_logits(context: StepContext, weights: Weights, images: Tensor, seed: int) -> Tensor:
    with fixed_noise(seed, images.device):
        return call_without_side_effects(context.partner_step.student, weights, images)["out"]


def reverse_mode(steps: Steps) -> dict[str, Tensor]:
    """The gradient of `one_step` (raw, unlimited) with both weight steps as graphs: T' and S' are functions of A."""
    context, taken = steps.teaching, steps.teaching.partner_step
    search, architecture = context.search, as_leaves(context.architecture)
    widths = sample_widths(architecture, context.space, context.noise)

    def supernet(weights: Weights, images: Tensor) -> tuple[Tensor, ...]:
        return call_without_side_effects(context.supernet, weights, images, architecture, widths)

    images, labels = context.teacher_step.batch
    weights = unrolled(
        context.supernet, context.teacher_step.step, lambda w: supernet_loss(supernet(w, images), labels)
    )
    probability = (supernet(weights, taken.unlabeled)[0] / search.pseudo_labels.temperature).softmax(dim=1)
    probability = upsample(probability, tuple(taken.unlabeled.shape[-2:]))

    def student_loss(parameters: Weights) -> Tensor:
        taught = student_logits(context, parameters, taken.unlabeled, taken.noise_seed)
        supervised = student_logits(context, parameters, steps.labelled[0], taken.noise_seed + 1)
        soft = weighted_cross_entropy(taught, probability, taken.weight)
        return search.pseudo_weight * soft + labelled_loss(supervised, steps.labelled[1])

    after = unrolled(taken.student, taken.step, student_loss)
    images, labels = taken.validation
    learned = labelled_loss(student_logits(context, after, images, taken.noise_seed), labels)
    images, labels = context.validation
    value = supernet_loss(supernet(weights, images), labels) + search.student_weight * learned
    latency = expected_latency(architecture, context.space, context.table)
    return gradient_of(value + context.latency_weight * latency, architecture)


def unrolled(module: torch.nn.Module, step: WeightStep, loss: Callable[[Weights], Tensor]) -> dict[str, Tensor]:
    """The weights after a step, as a graph over what its loss depends on."""
    leaves, names = as_leaves(step.before), list(step.gradient)
    gradients = torch.autograd.grad(loss(leaves), [leaves[name] for name in names], create_graph=True)
    factor = (step.clip_norm / (torch.stack([g.norm() for g in gradients]).norm() + 1e-6)).clamp(max=1)
    moved = {name: p.detach() for name, p in module.named_parameters()}
    for name, gradient in zip(names, gradients, strict=True):
        clipped = factor * gradient
        moved[name] = moved[name] - step.lr * (clipped - clipped.detach())
    return moved
