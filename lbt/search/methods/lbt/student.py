"""The student learns from the teacher's labels, and its validation loss measures how good they were.

The student takes a step on L(S, D_s^tr) + pseudo_weight * sum_x w(x) [- sum_c p_c(x) log q_c(x; S)]. Cross-entropy is
linear in the labels, so the derivative of this step's gradient in p_c(x) is - pseudo_weight * w(x) * grad log q_c(x; S)
for any p. The validation loss of S' therefore depends on A, through the labels p(x; T', A) and to first order, as

    labelling value = - pseudo_weight * mean_x sum_c p_c(x; T', A) d_c(x).

The mean has the weights w. d_c is the derivative of log q_c at S along a vector: the gradient of L(S', D_s^val), pulled
back through the student's step (`lbt.search.weight_step`). Momentum, weight decay and clipping are those of this step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lbt.config.round import LbtSearch
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.search.batches import Batch, RoundStreams
from lbt.search.gradient_terms import SupernetLogits, supernet_term
from lbt.search.hypergradient import Parameters, call_without_side_effects, jvp, loss_gradient
from lbt.search.method import PartnerNetwork
from lbt.search.methods.lbt.pseudo_label_loss import compute_targets_and_weights, weighted_cross_entropy
from lbt.search.step_context import StepContext, Term
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep, take_step
from lbt.space.padding import upsample

StudentBatch = tuple[Batch, Batch, Batch]
"""A batch of D_s^tr, one of unlabelled images with the teacher's labels, and one of D_s^val."""


@dataclass(frozen=True)
class StudentStep:
    """The student's last weight step S -> S'.

    Attributes:
        network: the student; its parameters are S'.
        step: the step.
        unlabeled: the images (B, 3, H, W) that the teacher labelled for this step.
        weight: weights (B, H, W) of their pixels.
        validation: images and labels of D_s^val.
        noise_seed: seed of the dropout in that step.
    """

    network: nn.Module
    step: WeightStep
    unlabeled: Tensor
    weight: Tensor
    validation: Batch
    noise_seed: int


class Student(PartnerNetwork):
    """LBT's student: each step uses labelled images and images that the teacher labelled."""

    search: LbtSearch
    NAME = "student"
    COLUMNS = ("student_loss", "pseudo_loss", "pseudo_share", "student_weight_gradient_norm")

    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[StudentBatch]:
        """See `Partner.batches`."""
        if labels is None:
            raise ValueError("the student needs the teacher's labels; see `needs_pseudo_labels` in lbt.config.methods")
        settings = self.search.student
        return zip(
            streams.labelled("student_train", "student_train", steps, settings.batch_size, settings.crop),
            streams.pseudo_labelled("unlabeled", steps, settings, labels, self.search.pseudo_labels),
            streams.labelled("student_val", "student_val", steps, settings.batch_size, settings.crop),
            strict=True,
        )

    def train_step(self, batch: StudentBatch, noise_seed: int) -> tuple[dict[str, float], StudentStep | None]:
        """One step on L(S, D_s^tr) + pseudo_weight * L(S, D_pl); see `Partner.train_step`."""
        (images, labels), (unlabeled, probability), validation = batch
        target, weight = compute_targets_and_weights(probability, self.search.pseudo_labels, self.processes)
        with fixed_noise(noise_seed, images.device):
            pseudo_loss = weighted_cross_entropy(self.network(unlabeled)["out"], target, weight, self.processes)
        (self.search.pseudo_weight * pseudo_loss).backward()
        with fixed_noise(noise_seed + 1, images.device):
            loss = labelled_loss(self.network(images)["out"], labels, self.processes)
        loss.backward()
        losses = {"loss on labelled images": loss.detach(), "loss on pseudo-labelled images": pseudo_loss.detach()}
        guard, clip_norm = self.guards[self.NAME], self.search.student.optimizer.clip_norm
        norm, step = take_step(self.network, self.optimizer, guard, losses, clip_norm, self.processes)
        share = self.processes.reduce_loss((weight > 0).to(torch.float32).mean())
        values = {
            "student_loss": float(loss.detach()),
            "pseudo_loss": float(pseudo_loss.detach()),
            "pseudo_share": float(share) / self.processes.size,
            "student_weight_gradient_norm": norm,
        }
        if step is None:
            return values, None
        return values, StudentStep(self.network, step, unlabeled, weight, validation, noise_seed)


def label_derivative(context: StepContext[LbtSearch]) -> tuple[float, Tensor]:
    """L(S', D_s^val), and its derivative in the labels p_c(x) of the student's step, (B, C, H, W).

    S' is the result of the student's real step, whose labels came from the shards. With hard labels the derivative is
    that of the soft ones (straight-through).
    """
    student: StudentStep = context.partner_step

    def logits(parameters: Parameters, images: Tensor) -> Tensor:
        with fixed_noise(student.noise_seed, images.device):
            return call_without_side_effects(student.network, parameters, images)["out"]

    def validation_loss(parameters: Parameters) -> Tensor:
        images, labels = student.validation
        return labelled_loss(logits(parameters, images), labels, context.processes)

    loss, gradient = loss_gradient(validation_loss, dict(student.network.named_parameters()), context.processes)
    derivative = jvp(
        lambda p: logits(p, student.unlabeled).log_softmax(dim=1), student.step.before, student.step.vjp_(gradient)
    )
    return float(loss), -context.search.pseudo_weight * student.weight.unsqueeze(1) * derivative


def student_term(context: StepContext[LbtSearch], *, in_weights: bool = False) -> Term:
    """L(S', D_s^val), as a function of the teacher's labels p(x; T', A), which are recomputed at the current A."""
    unlabeled, temperature = context.partner_step.unlabeled, context.search.pseudo_labels.temperature
    value, derivative = label_derivative(context)

    def labelling_value(supernet: SupernetLogits) -> Tensor:
        probability = (supernet(unlabeled)[0] / temperature).softmax(dim=1)
        enlarged = upsample(probability, (unlabeled.shape[-2], unlabeled.shape[-1]))
        return context.processes.reduce_loss((derivative * enlarged).sum())

    return replace(supernet_term(context, labelling_value, in_weights=in_weights), value=value)
