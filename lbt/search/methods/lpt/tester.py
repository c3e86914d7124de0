"""The tester and the creator of tests (Learning by Passing Tests).

The bank of test images is D_t^val. The creator C scores an image by the tester's features, s(x; C, E) in (0, 1); an
image's weight among the images of a batch is its share of the scores. The tester, an encoder E and an executor X, takes
a step on L(E, X, D_s^tr) + bank_weight * sum_x share(x; C, E) L(E, X; x), in which the shares are constants. Then

    min_A  sum_x share(x; C, E') L(T', A; x)  +  latency_weight * Lat(A)
    max_C  sum_x share(x; C, E') L(T', A; x)  -  tester_weight * L(E', X', D_s^val).

C also acts on E' and X', through the shares in the tester's step. That loss is linear in the shares, so the derivative
in a share is bank_weight times that of the image's loss along the gradient of the creator's objective in (E', X'),
pulled back through the step: one directional derivative for all images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lbt.config import SearchSettings
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.distributed import group
from lbt.search.batches import RoundStreams
from lbt.search.gradient_terms import supernet_term
from lbt.search.hypergradient import (
    Parameters,
    as_leaves,
    call_without_side_effects,
    gradient_of,
    jvp,
    loss_gradient,
)
from lbt.search.method import Partner
from lbt.search.methods.lpt.networks import Creator, TesterNetwork, losses_by_image, shares, supernet_losses_by_image
from lbt.search.step_context import StepContext, Term, add, norm
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep, take_step
from lbt.space.widths import sample_widths
from lbt.training.optimizers import GuardedStep, adam

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class TesterStep:
    """What the tester's last weight step (E, X) -> (E', X') was made of.

    Attributes:
        tester, creator: the networks; the tester's parameters are (E', X').
        step: the step.
        bank: images (B, 3, H, W) and labels (B, H, W) of the bank.
        features: the encoder's features of these images at E, (B, channels).
        validation: images and labels of D_s^val.
        noise_seed: seed of the dropout in that step.
    """

    tester: TesterNetwork
    creator: Creator
    step: WeightStep
    bank: Batch
    features: Tensor
    validation: Batch
    noise_seed: int


class Tester(Partner):
    """LPT's tester, with the creator of its tests."""

    NAME = "tester"
    COLUMNS = ("student_loss", "bank_loss", "student_weight_gradient_norm")
    AFTER_COLUMNS = ("creator_objective", "creator_gradient_norm", "creator_through_tester_norm", "largest_share")

    def __init__(
        self, search: SearchSettings, num_classes: int, seed: int, device: torch.device, *, pretrained: bool = True
    ) -> None:
        super().__init__(search, num_classes, seed, device, pretrained=pretrained)
        executor = next(m for m in self.network.executor.modules() if isinstance(m, nn.Conv2d))
        self.creator = Creator(executor.in_channels).to(device)
        self.creator_optimizer = adam(self.creator.parameters(), search.lpt.creator)

    def _build(self, num_classes: int, seed: int, pretrained: bool) -> nn.Module:
        return TesterNetwork(super()._build(num_classes, seed, pretrained))

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """See `Partner.optimizers`."""
        return super().optimizers | {"creator": self.creator_optimizer}

    def begin_round(self, name: str, decay: float, last_good: Path) -> None:
        """See `Partner.begin_round`."""
        super().begin_round(name, decay, last_good)
        self.guards["creator"] = GuardedStep(f"creator ({name})", last_good=last_good)

    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[tuple[Batch, ...]]:
        """Triples of batches: of D_s^tr, of the bank, of D_s^val."""
        size, crop = self.search.student.batch_size, self.search.student.crop
        return zip(
            streams.labelled("student_train", "student_train", steps, size, crop),
            streams.labelled("bank", "teacher_val", steps, size, crop),
            streams.labelled("student_val", "student_val", steps, size, crop),
            strict=True,
        )

    def train_step(self, lesson: tuple[Batch, ...], noise_seed: int) -> tuple[dict[str, float], TesterStep | None]:
        """One step on L(E, X, D_s^tr) + bank_weight * sum_x share(x; C, E) L(E, X; x)."""
        (images, labels), (bank, bank_labels), validation = lesson
        with fixed_noise(noise_seed, bank.device):
            logits, features = self.network(bank)
        features = features.detach()
        share = shares(self.creator(features)).detach()
        tested = group().reduce_loss((share * losses_by_image(logits, bank_labels)).sum())
        (self.search.lpt.bank_weight * tested).backward()
        with fixed_noise(noise_seed + 1, images.device):
            supervised = labelled_loss(self.network(images)[0], labels)
        supervised.backward()
        values = {"loss on labelled images": supervised.detach(), "loss on the bank": tested.detach()}
        guard, clip_norm = self.guards[self.NAME], self.search.student.optimizer.clip_norm
        length, step = take_step(self.network, self.optimizer, guard, values, clip_norm)
        record = {
            "student_loss": float(supervised.detach()),
            "bank_loss": float(tested.detach()),
            "student_weight_gradient_norm": length,
        }
        if step is None:
            return record, None
        taken = TesterStep(self.network, self.creator, step, (bank, bank_labels), features, validation, noise_seed)
        return record, taken

    def after_architecture(self, context: StepContext) -> dict[str, float]:
        """One step of the creator up its objective; values of `AFTER_COLUMNS`."""
        found = creator_gradient(context)
        for name, parameter in self.creator.named_parameters():
            parameter.grad = -found.gradient[name]
        values = {"tester's validation loss": found.tester_loss, "creator's objective": found.objective}
        length = self.guards["creator"].apply(self.creator_optimizer, values, self.search.lpt.creator.clip_norm)
        return {
            "student_val_loss": found.tester_loss,
            "creator_objective": found.objective,
            "creator_gradient_norm": length,
            "creator_through_tester_norm": norm(found.through_tester),
            "largest_share": float(group().all_gather(found.share).max()),
        }

    def parts(self) -> dict[str, Any]:
        """See `Partner.parts`."""
        return super().parts() | {"creator": self.creator, "creator_optimizer": self.creator_optimizer}


def bank_term(context: StepContext) -> Term:
    """sum_x share(x; C, E') L(T', A; x) over the images of D_t^val."""
    images, labels = context.validation
    taken = context.partner_step
    with torch.no_grad():
        after = dict(taken.tester.named_parameters())
        share = shares(taken.creator(_features(taken, after, images)))

    def value(logits) -> Tensor:
        return group().reduce_loss((share * supernet_losses_by_image(logits(images), labels)).sum())

    return supernet_term(context, value, in_weights=False)


@dataclass(frozen=True)
class CreatorGradient:
    """What the creator of tests maximises, and its gradient in the creator's parameters.

    Attributes:
        objective: its value.
        tester_loss: of it, L(E', X', D_s^val).
        gradient: by name.
        through_tester: of it, the part through the tester's step.
        share: shares (B,) of the images of D_t^val.
    """

    objective: float
    tester_loss: float
    gradient: Mapping[str, Tensor]
    through_tester: Mapping[str, Tensor]
    share: Tensor


def creator_gradient(context: StepContext) -> CreatorGradient:
    """The gradient in C of what it maximises."""
    taken, lpt = context.partner_step, context.search.lpt
    images, _ = context.validation
    after, creator = as_leaves(dict(taken.tester.named_parameters())), as_leaves(dict(taken.creator.named_parameters()))
    share = shares(call_without_side_effects(taken.creator, creator, _features(taken, after, images)))
    passed = group().reduce_loss((share * _learner_losses(context)).sum())
    found = gradient_of(passed, {**after, **{f"creator.{name}": leaf for name, leaf in creator.items()}})
    direct = {name: found.pop(f"creator.{name}") for name in creator}

    held_out, truth = taken.validation
    tested, gradient = loss_gradient(lambda p: labelled_loss(_tester_logits(taken, p, held_out), truth), after)
    vector = taken.step.vjp_(add(found, gradient, -lpt.tester_weight))
    bank, bank_labels = taken.bank
    derivative = jvp(lambda p: losses_by_image(_tester_logits(taken, p, bank), bank_labels), taken.step.before, vector)
    inner = lpt.bank_weight * (shares(call_without_side_effects(taken.creator, creator, taken.features)) * derivative)
    through = gradient_of(group().reduce_loss(inner.sum()), creator)
    objective = float(passed.detach()) - lpt.tester_weight * float(tested)
    return CreatorGradient(objective, float(tested), add(direct, through), through, share.detach())


def _features(taken: TesterStep, parameters: Parameters, images: Tensor) -> Tensor:
    """Pooled features of the encoder with the tester's `parameters`; the executor does not run."""
    own = {k.removeprefix("encoder."): value for k, value in parameters.items() if k.startswith("encoder.")}
    return taken.tester.pooled(call_without_side_effects(taken.tester.encoder, own, images))


def _tester_logits(taken: TesterStep, parameters: Parameters, images: Tensor) -> Tensor:
    with fixed_noise(taken.noise_seed, images.device):
        return call_without_side_effects(taken.tester, parameters, images)[0]


def _learner_losses(context: StepContext) -> Tensor:
    """L(T', A; x) of the images of D_t^val, (B,)."""
    images, labels = context.validation
    weights = dict(context.supernet.named_parameters())
    widths = sample_widths(context.architecture, context.space, context.noise)
    with torch.no_grad():
        logits = call_without_side_effects(context.supernet, weights, images, context.architecture, widths)
        return supernet_losses_by_image(logits, labels)
