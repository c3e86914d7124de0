"""One step of the teacher's weights."""

from __future__ import annotations

from lbt.config import SpaceSettings
from lbt.config.round import RoundSearch
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch
from lbt.search.state import SearchState
from lbt.search.step_context import TeacherStep
from lbt.search.weight_step import take_step
from lbt.space.architecture import Architecture
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
) -> tuple[dict[str, float], TeacherStep | None]:
    """One step of the teacher's weights on L(T, A, D_t^tr), summed over the passes, with A fixed.

    In a co-search the step adds the loss of the guide at full width, as the released search does, because both
    architectures share the weights.

    Returns:
        The values of `metrics.csv`, the loss as the mean of the passes, and the step; None if it was skipped.
    """
    images, labels = batch

    def backward(architecture: Architecture, widths: Widths) -> float:
        loss = supernet_loss(state.supernet(images, architecture, widths), labels, processes)
        loss.backward()
        return float(loss.detach())

    fixed = {name: leaf.detach() for name, leaf in state.architecture.items()}
    losses = {"teacher_loss": sum(backward(fixed, choose(fixed)) for choose in passes) / len(passes)}
    if state.guide is not None:
        guide = {name: leaf.detach() for name, leaf in state.guide.architecture.items()}
        losses["guide_loss"] = backward(guide, max_widths(space))
    norm, step = take_step(state.supernet, state.teacher_optimizer, guard, losses, search.teacher.clip_norm, processes)
    values = losses | {"teacher_weight_gradient_norm": norm}
    return values, None if step is None else TeacherStep(step, batch, passes)
