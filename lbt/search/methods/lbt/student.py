"""The student learns from the teacher's labels, and its validation loss measures how good they were.

The student takes a step on L(S, D_s^tr) + pseudo_weight * sum_x w(x) [- sum_c p_c(x) log q_c(x; S)]. Cross-entropy is
linear in the labels, so the derivative of this step's gradient in p_c(x) is - pseudo_weight * w(x) * grad log q_c(x; S)
for any p. The validation loss of S' therefore depends on A, through the labels p(x; T', A) and to first order, as

    labelling value = - pseudo_weight * mean_x sum_c p_c(x; T', A) d_c(x).

The mean has the weights w. d_c is the derivative of log q_c at S along a vector: the gradient v_S of L(S', D_s^val),
pulled back through the student's step (`lbt.search.weight_step`). Momentum, weight decay and clipping are those of this
step.

One batch of D_s^val gives v_S with far more noise than signal. With `student_memory` v_S is the running mean over
the steps, each at its own S': the gradient of the expected validation loss, as long as S moves little.

A label moves S further in later steps through momentum m. With `label_steps` K, the labels of the last K steps get
their derivative along the same v_S. The step before j - 1 others has the factor 1 + m + ... + m^(j - 1): the derivative
of S' through K steps in which later gradients are constants (identity Jacobian, as in SAMA; Choe et al., NeurIPS 2023,
arXiv 2310.05674).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lbt.config.round import LbtSearch
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.device import FLOAT32, Precision
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch, RoundStreams
from lbt.search.gradient_terms import SupernetLogits, supernet_term
from lbt.search.hypergradient import Parameters, call_without_side_effects, jvp, loss_gradient
from lbt.search.method import PartnerNetwork
from lbt.search.methods.lbt.label_steps import LabelStep, RecentSteps
from lbt.search.methods.lbt.pseudo_label_loss import compute_targets_and_weights, weighted_cross_entropy
from lbt.search.running_mean import RunningMean
from lbt.search.step_context import StepContext, Term
from lbt.search.tensor_dicts import scale
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import take_step
from lbt.space.padding import upsample

StudentBatch = tuple[Batch, Batch, Batch]
"""A batch of D_s^tr, one of unlabelled images with the teacher's labels, and one of D_s^val."""


@dataclass(frozen=True)
class StudentStep(LabelStep):
    """The student's last weight step S -> S', and what the architecture's gradient needs of the student.

    Attributes:
        network: the student; its parameters are S'.
        validation: images and labels of D_s^val.
        validation_loss: L(S', D_s^val), 0-d.
        validation_gradient: v_S by name.
        last_gradient: the gradient of `validation_loss`, by name; v_S is its running mean.
        earlier: the steps before it whose labels count too, the newest first.
        norms: mean squared norms of the terms `teacher` and `student` in the steps before, for `student_term: matched`.
    """

    network: nn.Module
    validation: Batch
    validation_loss: Tensor
    validation_gradient: dict[str, Tensor]
    last_gradient: dict[str, Tensor]
    earlier: tuple[LabelStep, ...]
    norms: RunningMean


class Student(PartnerNetwork):
    """LBT's student: each step uses labelled images and images that the teacher labelled."""

    search: LbtSearch
    NAME = "student"
    COLUMNS = ("student_loss", "pseudo_loss", "pseudo_share", "student_weight_gradient_norm")

    def __init__(self, search: LbtSearch, num_classes: int, seed: int, device: torch.device, processes: Group) -> None:
        super().__init__(search, num_classes, seed, device, processes)
        self.validation_gradient = RunningMean(search.student_memory)
        self.norms = RunningMean(search.norm_memory)
        self.recent = RecentSteps(search.label_steps - 1, device)
        self.copies = (search.student_memory > 0) + 2 * (search.label_steps - 1)  # weights and gradient of a step

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

    def train_step(
        self, batch: StudentBatch, noise_seed: int, precision: Precision = FLOAT32
    ) -> tuple[dict[str, Tensor], StudentStep]:
        """One step on L(S, D_s^tr) + pseudo_weight * L(S, D_pl); see `Partner.train_step`."""
        (images, labels), (unlabeled, probability), validation = batch
        target, weight = compute_targets_and_weights(probability, self.search.pseudo_labels, self.processes)
        with precision.applied() as forward:
            with fixed_noise(noise_seed, images.device):
                logits = forward(self.network, unlabeled)["out"]
            pseudo_loss = weighted_cross_entropy(logits, target, weight, self.processes)
            (self.search.pseudo_weight * pseudo_loss).backward()
            with fixed_noise(noise_seed + 1, images.device):
                logits = forward(self.network, images)["out"]
            loss = labelled_loss(logits, labels, self.processes)
            loss.backward()
        losses = {"loss on labelled images": loss.detach(), "loss on pseudo-labelled images": pseudo_loss.detach()}
        guard, clip_norm = self.guards[self.NAME], self.search.student.optimizer.clip_norm
        step = take_step(self.network, self.optimizer, guard, losses, clip_norm, self.processes)
        share = self.processes.reduce_loss((weight > 0).to(torch.float32).mean())
        values = {
            "student_loss": loss.detach(),
            "pseudo_loss": pseudo_loss.detach(),
            "pseudo_share": share / self.processes.size,
            "student_weight_gradient_norm": step.norm,
        }
        value, gradient = validation_gradient(self.network, validation, noise_seed, self.processes)
        mean, earlier = self.validation_gradient.including(gradient), tuple(self.recent)
        own = LabelStep(step, unlabeled, weight, noise_seed)
        return values, StudentStep(
            **vars(own),
            network=self.network,
            validation=validation,
            validation_loss=value,
            validation_gradient=mean,
            last_gradient=gradient,
            earlier=earlier,
            norms=self.norms,
        )

    def keep_step(self, step: StudentStep) -> None:
        """See `Partner.keep_step`."""
        if self.validation_gradient.decay:
            self.validation_gradient.update(step.last_gradient)
        self.recent.add(LabelStep(step.step, step.unlabeled, step.weight, step.noise_seed))

    def after_architecture_step(self, context: StepContext[LbtSearch], record: Mapping[str, float]) -> dict[str, float]:
        """Take the norms of the terms into their means; see `Partner.after_architecture_step`."""
        self.norms.update(squared_norms(record["teacher_gradient_norm"], record["student_gradient_norm"]))
        return {}

    def parts(self) -> dict[str, Any]:
        """See `Partner.parts`."""
        means = {"validation_gradient": self.validation_gradient, "norms": self.norms, "recent": self.recent}
        return super().parts() | means


def squared_norms(teacher: float, student: float) -> dict[str, Tensor]:
    """The squared norms of the two terms' gradients, as a vector for `RunningMean`."""
    return {"teacher": torch.tensor(teacher).double().square(), "student": torch.tensor(student).double().square()}


def validation_gradient(
    network: nn.Module, validation: Batch, noise_seed: int, processes: Group
) -> tuple[Tensor, dict[str, Tensor]]:
    """L(S', D_s^val) and its gradient in the network's present weights S'."""
    images, labels = validation

    def loss(parameters: Parameters) -> Tensor:
        return labelled_loss(student_logits(network, parameters, images, noise_seed), labels, processes)

    return loss_gradient(loss, dict(network.named_parameters()), processes)


def student_logits(network: nn.Module, parameters: Parameters, images: Tensor, noise_seed: int) -> Tensor:
    """The student's logits (B, C, H, W) at other weights."""
    with fixed_noise(noise_seed, images.device):
        return call_without_side_effects(network, parameters, images)["out"]


def label_derivatives(context: StepContext[LbtSearch]) -> list[tuple[Tensor, Tensor]]:
    """For each step whose labels count, its images and the derivative of L(S', D_s^val) in the labels p_c(x).

    S' is the result of the student's real steps, whose labels came from the shards. With hard labels the derivative is
    that of the soft ones (straight-through).

    Returns:
        Pairs of images (B, 3, H, W) and derivatives (B, C, H, W), the newest first.
    """
    student: StudentStep = context.partner_step
    momentum, factor = context.search.student.optimizer.momentum, 0.0
    found = []
    for taken in (student, *student.earlier):
        factor = 1 + momentum * factor
        vector = taken.step.vjp_(scale(student.validation_gradient, factor))
        derivative = jvp(partial(_log_probabilities, student.network, taken), taken.step.before, vector)
        found.append((taken.unlabeled, -context.search.pseudo_weight * taken.weight.unsqueeze(1) * derivative))
    return found


def _log_probabilities(network: nn.Module, taken: LabelStep, parameters: Parameters) -> Tensor:
    return student_logits(network, parameters, taken.unlabeled, taken.noise_seed).log_softmax(dim=1)


def student_term(context: StepContext[LbtSearch], *, in_weights: bool = False) -> Term:
    """L(S', D_s^val), as a function of the teacher's labels p(x; T', A), which are recomputed at the current A."""
    temperature, derivatives = context.search.pseudo_labels.temperature, label_derivatives(context)

    def labelling_value(supernet: SupernetLogits) -> Tensor:
        values = []
        for images, derivative in derivatives:
            probability = (supernet(images)[0] / temperature).softmax(dim=1)
            enlarged = upsample(probability, (images.shape[-2], images.shape[-1]))
            values.append((derivative * enlarged).sum())
        return context.processes.reduce_loss(torch.stack(values).sum())

    value: Tensor = context.partner_step.validation_loss
    return replace(supernet_term(context, labelling_value, in_weights=in_weights), value=value)
