"""One step of the teacher's weights and one of the student's."""

from __future__ import annotations

import math

from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.losses import supernet_loss
from lbt.optimisation import GuardedStep
from lbt.search.architecture_step import StudentStep
from lbt.search.state import SearchState
from lbt.search.student import fixed_noise, labelled_loss, pseudo_loss
from lbt.space.widths import Widths, max_widths, sampled_widths

NO_STUDENT = {"student_loss": math.nan, "pseudo_loss": math.nan, "student_weight_gradient_norm": math.nan}


def teacher_step(
    state: SearchState,
    batch: tuple[Tensor, ...],
    noise: dict[str, Tensor],
    space: SpaceSettings,
    search: SearchSettings,
    guard: GuardedStep,
) -> dict[str, float]:
    """One step of the teacher's weights on L(T, A, D_t^tr) at sampled widths, A held fixed.

    In a co-search the loss of the guide at the full width is added, as in the released search: the weights serve both.
    """
    images, labels = batch

    def backward(architecture: dict[str, Tensor], widths: Widths) -> float:
        loss = supernet_loss(state.supernet(images, architecture, widths), labels)
        loss.backward()
        return float(loss.detach())

    fixed = {name: leaf.detach() for name, leaf in state.architecture.items()}
    widths = sampled_widths(fixed, space, {name: value.to(images.device) for name, value in noise.items()})
    losses = {"teacher_loss": backward(fixed, widths)}
    if state.guide is not None:
        guide = {name: leaf.detach() for name, leaf in state.guide.items()}
        losses["guide_loss"] = backward(guide, max_widths(space))
    norm = guard.apply(state.teacher_optimizer, sum(losses.values()), search.teacher.clip_norm)
    return losses | {"teacher_weight_gradient_norm": norm}


def student_step(
    state: SearchState,
    batches: tuple[tuple[Tensor, ...], ...],
    search: SearchSettings,
    guard: GuardedStep,
    noise_seed: int,
) -> tuple[dict[str, float], StudentStep | None]:
    """One step of the student's weights on L(S, D_s^tr) + pseudo_weight * L(S, D_pl), and what it was made of.

    A step that was skipped, because its loss or gradient was not finite, teaches nothing: None stands for it.
    """
    (images, labels), (unlabeled, probability), validation = batches
    student, optimizer = state.student, state.student_optimizer
    before = {name: p.detach().clone() for name, p in student.named_parameters()}
    with fixed_noise(noise_seed, images.device):
        taught = pseudo_loss(student(unlabeled)["out"], probability)
    (search.pseudo_weight * taught).backward()
    with fixed_noise(noise_seed + 1, images.device):
        supervised = labelled_loss(student(images)["out"], labels)
    supervised.backward()
    loss = (supervised + search.pseudo_weight * taught).detach()
    norm = guard.apply(optimizer, loss, search.student.optimizer.clip_norm)
    record = {
        "student_loss": float(supervised.detach()),
        "pseudo_loss": float(taught.detach()),
        "student_weight_gradient_norm": norm,
    }
    if not math.isfinite(norm):
        return record, None
    step_size = optimizer.param_groups[0]["lr"] * min(1.0, search.student.optimizer.clip_norm / max(norm, 1e-12))
    return record, StudentStep(student, before, step_size, unlabeled, validation, noise_seed)
