"""The reference for the search's gradients: one step of each network as a graph, differentiated by autograd.

Everything is in double precision: a real supernet of the smallest space, and small networks with BatchNorm in train
mode, ReLU and dropout. Both networks have taken a step before, so that momentum counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from lbt.config import OptimizerSettings, SearchSettings, SpaceSettings
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.pseudo_labels.dataset import temper
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.method import Partner
from lbt.search.methods.lbt.student import Student
from lbt.search.state import SearchState
from lbt.search.step_context import StepContext
from lbt.search.teacher_step import teacher_step
from lbt.search.tensor_dicts import norm
from lbt.search.weight_step import WeightStep
from lbt.space.architecture import initial_architecture
from lbt.space.padding import upsample
from lbt.space.supernet import Supernet
from lbt.space.widths import WidthPass, draw_width_passes
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep, settle, sgd

SPACE = SpaceSettings(layers=4, base_width=2, width_twelfths=(6, 12))
CLASSES, SIZE = 3, 64


class SmallStudent(nn.Module):
    """A student with the outputs of torchvision's networks."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(0.3)
        )
        self.head = nn.Sequential(nn.Conv2d(5, CLASSES, 3, padding=1), nn.Upsample(scale_factor=2, mode="bilinear"))

    def forward(self, images):
        return {"out": self.head(self.body(images))}


class SmallStudentPartner(Student):
    """LBT's student with the small network."""

    def build(self, num_classes, seed):
        return SmallStudent().double().train()


def optimizer_settings(clip_norm: float, lr: float = 0.05) -> OptimizerSettings:
    return OptimizerSettings(lr=lr, momentum=0.9, weight_decay=1e-2, clip_norm=clip_norm)


def batch(labels: bool = True) -> tuple[Tensor, ...]:
    """Noise images with noise labels, a tenth of them ignored."""
    images = torch.randn(2, 3, SIZE, SIZE, dtype=torch.float64)
    if not labels:
        return (images,)
    truth = torch.randint(CLASSES, (2, SIZE, SIZE))
    return images, torch.where(torch.rand(2, SIZE, SIZE) < 0.1, 255, truth)


def warm_state(seed: int, search: SearchSettings) -> SearchState:
    """A supernet, its architecture and their optimisers after one step on noise."""
    torch.manual_seed(seed)
    source = torch.Generator().manual_seed(seed)
    supernet = Supernet(SPACE, CLASSES).double().train()
    logits = {k: (500 * v).double() for k, v in initial_architecture(SPACE, source).items()}
    state = SearchState(
        supernet,
        {name: value.requires_grad_() for name, value in logits.items()},
        sgd(supernet.parameters(), search.teacher),
        None,
        search.latency_weight,
        Partner(search, CLASSES, seed, torch.device("cpu"), ALONE),
    )
    guard = GuardedStep("teacher", supernet)
    teacher_step(state, batch(), passes(source, search), SPACE, search, guard, ALONE)
    return state


def passes(source: torch.Generator, search: SearchSettings) -> tuple[WidthPass, ...]:
    return draw_width_passes(search.width_passes, SPACE, source)


def context_of(seed: int, search: SearchSettings, table: LatencyTable) -> StepContext:
    """An architecture step after a real step of a warm supernet; it has no partner's step yet."""
    state, source = warm_state(seed, search), torch.Generator().manual_seed(1000 + seed)
    guard = GuardedStep("teacher", state.supernet)
    _, teacher = teacher_step(state, batch(), passes(source, search), SPACE, search, guard, ALONE)
    return StepContext(
        supernet=state.supernet,
        architecture=state.architecture,
        passes=passes(source, search),
        validation=batch(),
        space=SPACE,
        search=search,
        table=table,
        latency_weight=0.0,
        processes=ALONE,
        teacher_step=teacher,
    )


def student_context(
    seed: int, search: SearchSettings, table: LatencyTable
) -> tuple[StepContext, tuple[Tensor, Tensor]]:
    """`context_of` after the student's second step, on the teacher's current labels; its labelled batch."""
    context = context_of(seed, search, table)
    student = SmallStudentPartner(search, CLASSES, seed, torch.device("cpu"), ALONE)
    student.begin_round("test", 1.0, None)
    for noise_seed in (10, 20):
        labelled, (unlabeled,) = batch(), batch(labels=False)
        with torch.no_grad():
            logits = supernet_logits(context, context.architecture, unlabeled)[0]
            low = torch.stack([temper(p, search.pseudo_labels.temperature) for p in logits.softmax(1)])
            inside = torch.rand(2, 1, SIZE, SIZE) > 0.1
        pseudo_labelled = unlabeled, upsample(low, (SIZE, SIZE)) * inside
        _, step = student.train_step((labelled, pseudo_labelled, batch()), noise_seed)
        settle(student.guards, {})
        student.keep_step(step)
    return replace(context, partner_step=step), labelled


def invented_table(path) -> LatencyTable:
    key = TableKey("test", "eager", "float32", SIZE, SIZE, 1, CLASSES, "none")
    return LatencyTable(path, key, dict.fromkeys(list_space_parts(SPACE, CLASSES), 1.0))


def supernet_logits(
    context: StepContext,
    architecture: Mapping[str, Tensor],
    images: Tensor,
    weights: Mapping[str, Tensor] | None = None,
    choose_widths: WidthPass | None = None,
) -> tuple[Tensor, ...]:
    """The supernet at the widths of a pass; by default those of the architecture step's first."""
    weights = dict(context.supernet.named_parameters()) if weights is None else weights
    widths = (choose_widths or context.passes[0])(architecture)
    return call_without_side_effects(context.supernet, weights, images, architecture, widths)


def stepped(module: nn.Module, step: WeightStep, loss: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
    """The weights after a real step as a graph: they move with the clipped gradient of `loss` at the weights before."""
    leaves = {name: value.clone().requires_grad_() for name, value in step.before.items()}
    names = list(step.gradient)
    gradients = torch.autograd.grad(loss(leaves), [leaves[name] for name in names], create_graph=True)
    length = sum(g.square().sum() for g in gradients).sqrt()
    factor = step.clip_norm / (length + 1e-6)
    clipped = [g * factor if factor < 1 else g for g in gradients]
    for name, gradient in zip(names, clipped, strict=True):
        torch.testing.assert_close(gradient.detach(), step.gradient[name], rtol=1e-9, atol=1e-12)
    moved = {name: p.detach() for name, p in module.named_parameters()}
    for name, gradient in zip(names, clipped, strict=True):
        moved[name] = moved[name] - step.lr * (gradient - gradient.detach())
    return moved


def teacher_after(context: StepContext, architecture: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """T' as a graph over A."""
    images, labels = context.teacher_step.batch

    def loss(weights: Mapping[str, Tensor]) -> Tensor:
        return sum(
            supernet_loss(supernet_logits(context, architecture, images, weights, choose), labels, ALONE)
            for choose in context.teacher_step.passes
        )

    return stepped(context.supernet, context.teacher_step.step, loss)


def relative(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    """Norm of the difference over the norm of `expected`."""
    return norm({name: found[name] - expected[name] for name in expected}) / norm(expected)


def gradient_in(architecture: Mapping[str, Tensor], value: Tensor) -> dict[str, Tensor]:
    gradients = torch.autograd.grad(value, list(architecture.values()), allow_unused=True)
    pairs = zip(architecture.items(), gradients, strict=True)
    return {name: torch.zeros_like(leaf) if g is None else g for (name, leaf), g in pairs}
