"""One step of the teacher's weights."""

from __future__ import annotations

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.config.round import RoundSearch
from lbt.runtime.device import FLOAT32, Precision
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch
from lbt.search.state import SearchState
from lbt.search.step_context import TeacherStep
from lbt.search.weight_step import take_step
from lbt.space.architecture import Architecture
from lbt.space.slimmable import slices_added_in_place
from lbt.space.widths import WidthPass, Widths, max_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep


def teacher_step(
    state: SearchState,
    batch: Batch,
    passes: tuple[WidthPass, ...],
    space: SpaceSettings,
    search: RoundSearch,
    guard: GuardedStep,
    processes: Group,
    precision: Precision = FLOAT32,
    *,
    keep_before: bool = True,
) -> tuple[dict[str, Tensor], TeacherStep]:
    """One step of the teacher's weights on L(T, A, D_t^tr), summed over the passes, with A fixed.

    In a co-search the step adds the loss of the guide at full width, as the released search does, because both
    architectures share the weights.

    Args:
        keep_before: whether the architecture's gradient needs the weights before the step.

    Returns:
        The values of `metrics.csv` on the device, the loss as the mean of the passes, and the step. Whether it was
        skipped is known when `guard` is settled.
    """
    images, labels = batch

    def backward(architecture: Architecture, widths: Widths) -> Tensor:
        with slices_added_in_place(), precision.applied() as forward:
            loss = supernet_loss(forward(state.supernet, images, architecture, widths), labels, processes)
            loss.backward()
        return loss.detach()

    fixed = {name: leaf.detach() for name, leaf in state.architecture.items()}
    losses = {"teacher_loss": torch.stack([backward(fixed, choose(fixed)) for choose in passes]).mean()}
    if state.guide is not None:
        guide = {name: leaf.detach() for name, leaf in state.guide.architecture.items()}
        losses["guide_loss"] = backward(guide, max_widths(space))
    optimizer, clip_norm = state.teacher_optimizer, search.teacher.clip_norm
    step = take_step(state.supernet, optimizer, guard, losses, clip_norm, processes, keep_before=keep_before)
    return losses | {"teacher_weight_gradient_norm": step.norm}, TeacherStep(step, batch, passes)
