"""One step of the teacher's weights."""

from __future__ import annotations

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.config.round import RoundSearch
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch
from lbt.search.state import SearchState
from lbt.search.step_context import TeacherStep
from lbt.search.weight_step import take_step
from lbt.space.architecture import Architecture
from lbt.space.widths import Widths, max_widths, sample_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep


def teacher_step(
    state: SearchState,
    batch: Batch,
    noise: dict[str, Tensor],
    space: SpaceSettings,
    search: RoundSearch,
    guard: GuardedStep,
    processes: Group,
) -> tuple[dict[str, float], TeacherStep | None]:
    """One step of the teacher's weights on L(T, A, D_t^tr) at sampled widths, with A fixed.

    In a co-search the step adds the loss of the guide at full width, as the released search does, because both
    architectures share the weights.

    Returns:
        The values of `metrics.csv`, and the step; None if it was skipped.
    """
    images, labels = batch
    noise = {name: value.to(images.device) for name, value in noise.items()}

    def backward(architecture: Architecture, widths: Widths) -> float:
        loss = supernet_loss(state.supernet(images, architecture, widths), labels, processes)
        loss.backward()
        return float(loss.detach())

    fixed = {name: leaf.detach() for name, leaf in state.architecture.items()}
    losses = {"teacher_loss": backward(fixed, sample_widths(fixed, space, noise))}
    if state.guide is not None:
        guide = {name: leaf.detach() for name, leaf in state.guide.architecture.items()}
        losses["guide_loss"] = backward(guide, max_widths(space))
    norm, step = take_step(state.supernet, state.teacher_optimizer, guard, losses, search.teacher.clip_norm, processes)
    values = losses | {"teacher_weight_gradient_norm": norm}
    return values, None if step is None else TeacherStep(step, batch, noise)
