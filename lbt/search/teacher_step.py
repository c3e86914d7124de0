"""One step of the teacher's weights."""

from __future__ import annotations

from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.search.state import SearchState
from lbt.search.step_context import TeacherStep
from lbt.search.weight_step import take_step
from lbt.space.widths import Widths, max_widths, sample_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep


def teacher_step(
    state: SearchState,
    batch: tuple[Tensor, ...],
    noise: dict[str, Tensor],
    space: SpaceSettings,
    search: SearchSettings,
    guard: GuardedStep,
) -> tuple[dict[str, float], TeacherStep | None]:
    """One step of the teacher's weights on L(T, A, D_t^tr) at sampled widths, A held fixed.

    In a co-search the loss of the guide at the full width is added, as in the released search: the weights serve both.

    Returns:
        What `metrics.csv` records, and what the step was made of; None if it was skipped.
    """
    images, labels = batch
    noise = {name: value.to(images.device) for name, value in noise.items()}

    def backward(architecture: dict[str, Tensor], widths: Widths) -> float:
        loss = supernet_loss(state.supernet(images, architecture, widths), labels)
        loss.backward()
        return float(loss.detach())

    fixed = {name: leaf.detach() for name, leaf in state.architecture.items()}
    losses = {"teacher_loss": backward(fixed, sample_widths(fixed, space, noise))}
    if state.guide is not None:
        guide = {name: leaf.detach() for name, leaf in state.guide.items()}
        losses["guide_loss"] = backward(guide, max_widths(space))
    norm, step = take_step(state.supernet, state.teacher_optimizer, guard, losses, search.teacher.clip_norm)
    record = losses | {"teacher_weight_gradient_norm": norm}
    return record, None if step is None else TeacherStep(step, (images, labels), noise)
