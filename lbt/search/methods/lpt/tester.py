"""The tester and the creator of tests (Learning by Passing Tests).

The bank of test images is D_t^val. The creator C computes an image's score s(x; C, E) in (0, 1) from the tester's
features. The image's weight in a batch is its share of all scores. The tester has an encoder E and an executor X. It
takes a step on L(E, X, D_s^tr) + bank_weight * sum_x share(x; C, E) L(E, X; x), with constant shares. Then

    min_A  sum_x share(x; C, E') L(T', A; x)  +  latency_weight * Lat(A)
    max_C  sum_x share(x; C, E') L(T', A; x)  -  tester_weight * L(E', X', D_s^val).

C also changes E' and X', through the shares in the tester's step. The loss of that step is linear in the shares. The
derivative in a share is therefore bank_weight times the derivative of the image's loss along a vector: the gradient of
the creator's objective in (E', X'), pulled back through the step. One `jvp` gives it for all images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.segmentation import LRASPP

from lbt.config.round import LptSearch
from lbt.pseudo_labels.shard_format import PseudoLabels
from lbt.runtime.device import FLOAT32, Precision
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch, RoundStreams
from lbt.search.gradient_terms import SupernetLogits, supernet_term
from lbt.search.hypergradient import (
    Parameters,
    as_leaves,
    call_without_side_effects,
    constant_statistics,
    gradient_of,
    jvp,
    loss_gradient,
)
from lbt.search.method import PartnerNetwork
from lbt.search.methods.lpt.networks import (
    Creator,
    TesterNetwork,
    compute_losses_by_image,
    compute_supernet_losses_by_image,
    shares,
)
from lbt.search.step_context import StepContext, Term
from lbt.search.tensor_dicts import add
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep, take_step
from lbt.training.optimizers import GuardedStep, adam, settle

TesterBatch = tuple[Batch, Batch, Batch]
"""A batch of D_s^tr, one of the bank and one of D_s^val."""


@dataclass(frozen=True)
class TesterStep:
    """The tester's last weight step (E, X) -> (E', X').

    Attributes:
        network, creator: tester and creator; the tester's parameters are (E', X').
        step: the step.
        bank: images (B, 3, H, W) and labels (B, H, W) of the bank.
        features: the encoder's features of these images at E, (B, channels).
        validation: images and labels of D_s^val.
        noise_seed: seed of the dropout in that step.
    """

    network: TesterNetwork
    creator: Creator
    step: WeightStep
    bank: Batch
    features: Tensor
    validation: Batch
    noise_seed: int


class Tester(PartnerNetwork):
    """LPT's tester, with the creator of its tests."""

    NAME = "tester"
    COLUMNS = ("tester_loss", "bank_loss", "tester_weight_gradient_norm")
    AFTER_COLUMNS = ("creator_objective", "creator_gradient_norm", "creator_through_tester_norm", "largest_share")
    search: LptSearch
    network: TesterNetwork

    def __init__(self, search: LptSearch, num_classes: int, seed: int, device: torch.device, processes: Group) -> None:
        super().__init__(search, num_classes, seed, device, processes)
        first = next(module for module in self.network.executor.modules() if isinstance(module, nn.Conv2d))
        self.creator = Creator(first.in_channels).to(device)
        self.optimizers["creator"] = adam(self.creator.parameters(), search.lpt.creator)

    def build(self, num_classes: int, seed: int) -> nn.Module:
        """See `PartnerNetwork.build`."""
        network = super().build(num_classes, seed)
        two_scales = isinstance(network, LRASPP)
        return TesterNetwork(
            network.get_submodule("backbone"), network.get_submodule("classifier"), two_scales=two_scales
        )

    def torchvision_state(self) -> dict[str, Tensor]:
        """See `PartnerNetwork.torchvision_state`."""
        parts = {"backbone": self.network.encoder, "classifier": self.network.executor}
        return {f"{part}.{name}": value for part, own in parts.items() for name, value in own.state_dict().items()}

    def begin_round(self, name: str, decay: float, last_good: Path) -> None:
        """See `Partner.begin_round`."""
        super().begin_round(name, decay, last_good)
        self.guards["creator"] = GuardedStep(f"creator ({name})", last_good=last_good)

    def batches(self, streams: RoundStreams, steps: int, labels: PseudoLabels | None) -> Iterator[TesterBatch]:
        """See `Partner.batches`."""
        size, crop = self.search.student.batch_size, self.search.student.crop
        return zip(
            streams.labelled("student_train", "student_train", steps, size, crop),
            streams.labelled("bank", "teacher_val", steps, size, crop),
            streams.labelled("student_val", "student_val", steps, size, crop),
            strict=True,
        )

    def train_step(
        self, batch: TesterBatch, noise_seed: int, precision: Precision = FLOAT32
    ) -> tuple[dict[str, Tensor], TesterStep]:
        """One step on L(E, X, D_s^tr) + bank_weight * sum_x share(x; C, E) L(E, X; x); see `Partner.train_step`."""
        (images, labels), (bank, bank_labels), validation = batch
        with precision.applied() as forward:
            with fixed_noise(noise_seed, bank.device):
                logits, features = forward(self.network, bank)
            features = features.detach()
            share = shares(self.creator(features), self.processes).detach()
            bank_loss = self.processes.reduce_loss((share * compute_losses_by_image(logits, bank_labels)).sum())
            (self.search.lpt.bank_weight * bank_loss).backward()
            with fixed_noise(noise_seed + 1, images.device):
                loss = labelled_loss(forward(self.network, images)[0], labels, self.processes)
            loss.backward()
        losses = {"loss on labelled images": loss.detach(), "loss on the bank": bank_loss.detach()}
        guard, clip_norm = self.guards[self.NAME], self.search.student.optimizer.clip_norm
        step = take_step(self.network, self.optimizer, guard, losses, clip_norm, self.processes)
        values = {
            "tester_loss": loss.detach(),
            "bank_loss": bank_loss.detach(),
            "tester_weight_gradient_norm": step.norm,
        }
        record = TesterStep(self.network, self.creator, step, (bank, bank_labels), features, validation, noise_seed)
        return values, record

    def after_architecture_step(self, context: StepContext[LptSearch], record: Mapping[str, float]) -> dict[str, float]:
        """One ascent step of the creator; returns the tester's validation loss and values of `AFTER_COLUMNS`."""
        found = creator_gradient(context)
        for name, parameter in self.creator.named_parameters():
            parameter.grad = -found.gradient[name]
        losses = {"tester's validation loss": found.tester_loss, "creator's objective": found.objective}
        guard, clip_norm = self.guards["creator"], self.search.lpt.creator.clip_norm
        values = {
            "tester_val_loss": found.tester_loss,
            "creator_objective": found.objective,
            "creator_gradient_norm": guard.attempt(self.optimizers["creator"], losses, clip_norm),
            "creator_through_tester_norm": nn.utils.get_total_norm(list(found.through_tester.values())),
            "largest_share": self.processes.all_gather(found.share).max(),
        }
        return settle({"creator": guard}, values)[0]

    def parts(self) -> dict[str, Any]:
        """See `Partner.parts`."""
        return super().parts() | {"creator": self.creator, "creator_optimizer": self.optimizers["creator"]}


def bank_term(context: StepContext[LptSearch]) -> Term:
    """sum_x share(x; C, E') L(T', A; x) over the images of D_t^val."""
    images, labels = context.validation
    tester: TesterStep = context.partner_step
    with torch.no_grad():
        after = dict(tester.network.named_parameters())
        share = shares(tester.creator(_pooled_features(tester, after, images)), context.processes)

    def value(logits: SupernetLogits) -> Tensor:
        return context.processes.reduce_loss((share * compute_supernet_losses_by_image(logits(images), labels)).sum())

    return supernet_term(context, value, in_weights=False)


@dataclass(frozen=True)
class CreatorGradient:
    """The creator's objective and its gradient in the creator's parameters.

    Attributes:
        objective: the value that the creator maximises, 0-d.
        tester_loss: L(E', X', D_s^val), a part of the objective, 0-d.
        gradient: by name.
        through_tester: the part of the gradient through the tester's step.
        share: shares (B,) of the images of D_t^val.
    """

    objective: Tensor
    tester_loss: Tensor
    gradient: Mapping[str, Tensor]
    through_tester: Mapping[str, Tensor]
    share: Tensor


def creator_gradient(context: StepContext[LptSearch]) -> CreatorGradient:
    """The gradient in C of sum_x share(x; C, E') L(T', A; x) - tester_weight * L(E', X', D_s^val)."""
    tester: TesterStep = context.partner_step
    lpt, processes = context.search.lpt, context.processes
    after, creator = (
        as_leaves(dict(tester.network.named_parameters())),
        as_leaves(dict(tester.creator.named_parameters())),
    )

    def compute_shares(features: Tensor) -> Tensor:
        return shares(call_without_side_effects(tester.creator, creator, features), processes)

    share = compute_shares(_pooled_features(tester, after, context.validation[0]))
    learner_loss = processes.reduce_loss((share * _learner_losses(context)).sum())
    leaves = {**after, **{f"creator.{name}": leaf for name, leaf in creator.items()}}
    in_tester = gradient_of(learner_loss, leaves, processes)
    direct = {name: in_tester.pop(f"creator.{name}") for name in creator}

    def validation_loss(parameters: Parameters) -> Tensor:
        images, labels = tester.validation
        return labelled_loss(_tester_logits(tester, parameters, images), labels, processes)

    def bank_losses(parameters: Parameters) -> Tensor:
        images, labels = tester.bank
        return compute_losses_by_image(_tester_logits(tester, parameters, images), labels)

    tester_loss, gradient = loss_gradient(validation_loss, after, processes)
    vector = tester.step.vjp_(add(in_tester, gradient, -lpt.tester_weight))
    derivative = jvp(bank_losses, tester.step.before, vector)
    inner = lpt.bank_weight * (compute_shares(tester.features) * derivative)
    through = gradient_of(processes.reduce_loss(inner.sum()), creator, processes)
    objective = learner_loss.detach() - lpt.tester_weight * tester_loss
    return CreatorGradient(objective, tester_loss, add(direct, through), through, share.detach())


def _pooled_features(tester: TesterStep, parameters: Parameters, images: Tensor) -> Tensor:
    """Pooled features of the encoder with the tester's `parameters`; the executor does not run."""
    own = {k.removeprefix("encoder."): value for k, value in parameters.items() if k.startswith("encoder.")}
    return tester.network.pool(call_without_side_effects(tester.network.encoder, own, images))


def _tester_logits(tester: TesterStep, parameters: Parameters, images: Tensor) -> Tensor:
    with fixed_noise(tester.noise_seed, images.device):
        return call_without_side_effects(tester.network, parameters, images)[0]


def _learner_losses(context: StepContext[LptSearch]) -> Tensor:
    """L(T', A; x) of the images of D_t^val, summed over the passes, (B,)."""
    images, labels = context.validation
    losses = torch.zeros(len(images), device=images.device)
    with torch.no_grad(), constant_statistics(context.supernet):
        for choose_widths in context.passes:
            logits = context.supernet(images, context.architecture, choose_widths(context.architecture))
            losses = losses + compute_supernet_losses_by_image(logits, labels)
    return losses
