"""The student: it learns from the teacher's labels, and its validation loss tells how good they were.

The student takes a step on L(S, D_s^tr) + pseudo_weight * sum_x w(x) [- sum_c p_c(x) log q_c(x; S)]. Its derivative in
p_c(x) is - pseudo_weight * w(x) * grad log q_c(x; S), whatever p is: cross-entropy is linear in the labels. The
validation loss of S' therefore depends on A, through the labels p(x; T', A) and to first order, as

    labelling value = - pseudo_weight * mean_x sum_c p_c(x; T', A) d_c(x),

where the mean has the weights w, and d_c is the derivative of log q_c at S along the gradient of L(S', D_s^val) pulled
back through the step (`lbt.search.weight_step`). Momentum, weight decay and clipping are those of the real step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.distributed import group
from lbt.search.batches import RoundStreams
from lbt.search.gradient_terms import supernet_term
from lbt.search.hypergradient import Parameters, call_without_side_effects, jvp, loss_gradient
from lbt.search.method import Partner
from lbt.search.methods.lbt.pseudo_label_loss import targets, weighted_cross_entropy
from lbt.search.step_context import StepContext, Term
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep, take_step
from lbt.space.padding import upsample

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class StudentStep:
    """What the student's last weight step S -> S' was made of.

    Attributes:
        student: the student; its parameters are S'.
        step: the step.
        unlabeled: the images (B, 3, H, W) whose labels it learned from.
        weight: weights (B, H, W) of their pixels.
        validation: images and labels of D_s^val.
        noise_seed: seed of the dropout in that step.
    """

    student: nn.Module
    step: WeightStep
    unlabeled: Tensor
    weight: Tensor
    validation: Batch
    noise_seed: int


class Student(Partner):
    """LBT's student: a step on labelled images and on images that the teacher labelled."""

    NAME = "student"
    COLUMNS = ("student_loss", "pseudo_loss", "pseudo_share", "student_weight_gradient_norm")

    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[tuple[Batch, ...]]:
        """Triples of batches: labelled, with the teacher's labels, for validation."""
        settings = self.search.student
        return zip(
            streams.labelled("student_train", "student_train", steps, settings.batch_size, settings.crop),
            streams.pseudo_labelled("unlabeled", steps, settings, labels, self.search.pseudo_labels),
            streams.labelled("student_val", "student_val", steps, settings.batch_size, settings.crop),
            strict=True,
        )

    def train_step(self, lesson: tuple[Batch, ...], noise_seed: int) -> tuple[dict[str, float], StudentStep | None]:
        """One step on L(S, D_s^tr) + pseudo_weight * L(S, D_pl)."""
        (images, labels), (unlabeled, probability), validation = lesson
        target, weight = targets(probability, self.search.pseudo_labels)
        with fixed_noise(noise_seed, images.device):
            taught = weighted_cross_entropy(self.network(unlabeled)["out"], target, weight)
        (self.search.pseudo_weight * taught).backward()
        with fixed_noise(noise_seed + 1, images.device):
            supervised = labelled_loss(self.network(images)["out"], labels)
        supervised.backward()
        values = {"loss on labelled images": supervised.detach(), "loss on pseudo-labelled images": taught.detach()}
        norm, step = take_step(
            self.network,
            self.optimizer,
            self.guards[self.NAME],
            values,
            self.search.student.optimizer.clip_norm,
        )
        record = {
            "student_loss": float(supervised.detach()),
            "pseudo_loss": float(taught.detach()),
            "pseudo_share": float(group().reduce_loss((weight > 0).to(torch.float32).mean())) / group().size,
            "student_weight_gradient_norm": norm,
        }
        if step is None:
            return record, None
        return record, StudentStep(self.network, step, unlabeled, weight, validation, noise_seed)


def label_derivative(context: StepContext) -> tuple[float, Tensor]:
    """L(S', D_s^val), and its derivative in the labels p_c(x) of the student's step, (B, C, H, W).

    The point S' is where the student's real step led. The labels of that step came from the shards; with hard labels
    the derivative is that of the soft ones (straight-through).
    """
    taken = context.partner_step

    def logits(parameters: Parameters, images: Tensor) -> Tensor:
        with fixed_noise(taken.noise_seed, images.device):
            return call_without_side_effects(taken.student, parameters, images)["out"]

    images, labels = taken.validation
    after = dict(taken.student.named_parameters())
    loss, gradient = loss_gradient(lambda p: labelled_loss(logits(p, images), labels), after)
    derivative = jvp(
        lambda p: logits(p, taken.unlabeled).log_softmax(dim=1), taken.step.before, taken.step.vjp_(gradient)
    )
    return float(loss), -context.search.pseudo_weight * taken.weight.unsqueeze(1) * derivative


def student_term(context: StepContext, *, in_weights: bool = False) -> Term:
    """L(S', D_s^val), as a function of the teacher's labels p(x; T', A), which are recomputed at the current A."""
    unlabeled, temperature = context.partner_step.unlabeled, context.search.pseudo_labels.temperature
    value, derivative = label_derivative(context)

    def labelling_value(teacher) -> Tensor:
        probability = (teacher(unlabeled)[0] / temperature).softmax(dim=1)
        return group().reduce_loss((derivative * upsample(probability, tuple(unlabeled.shape[-2:]))).sum())

    return replace(supernet_term(context, labelling_value, in_weights=in_weights), value=value)
