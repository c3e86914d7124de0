"""The gradient of the architecture through many steps of both networks' weights, exactly and one step at a time.

With A held fixed, K steps lead from (T_0, S_0) and the momentum buffers to (T_K, S_K). In each, the teacher takes a
step of SGD on L(T_k, A, D_t^tr batch), and the student one on

    L(S_k, D_s^tr batch) + pseudo_weight * CE(p(x; T_{k+1}, A), S_k),

whose labels are the teacher's current ones. A step is w' = w - lr * m', m' = momentum * m + clip(g) +
weight_decay * w, where g is the gradient of its loss. From the adjoints a of w' and m of m' follow, with
b = m - lr * a and c = clip'(g)^T b,

    adjoint of w:  a + weight_decay * b + d<g, c>/dw        adjoint of the buffer:  momentum * b
    gradient in A (and, through the labels, in T_{k+1}):  d<g, c>/dA  (and d<g, c>/dT_{k+1}).

<g, c> is differentiated by a second reverse pass, so that the graph is that of one step, whatever K. The trajectory is
kept, and walking it backward from the end gives the gradient through the last 1, 2, ..., K steps. That through the last
one is what `lbt.search.methods.lbt.gradient` calls `one_step`. As there, sampled widths are straight-through
everywhere, and the weights of pixels are held fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lbt.config import OptimizerSettings, SearchSettings, SpaceSettings
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import Parameters, as_leaves, call_without_side_effects, gradient_of, loss_gradient
from lbt.search.methods.lbt.pseudo_label_loss import weighted_cross_entropy
from lbt.search.methods.lbt.student import StudentBatch, StudentStep
from lbt.search.state import SearchState
from lbt.search.step_context import StepContext, TeacherStep
from lbt.search.teacher_step import teacher_step
from lbt.search.tensor_dicts import add
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import WeightStep
from lbt.space.architecture import Architecture
from lbt.space.padding import upsample
from lbt.space.supernet import Supernet
from lbt.space.widths import WidthPass
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep, settle

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Moment:
    """One step of both networks.

    Attributes:
        teacher, student: the steps T_k -> T_{k+1} and S_k -> S_{k+1}.
        labelled: the student's batch of D_s^tr, images (B, 3, H, W) and labels (B, H, W).
        labelling: the widths at which T_{k+1} labelled for the student.
    """

    teacher: TeacherStep
    student: StudentStep
    labelled: Batch
    labelling: WidthPass


def live_step(
    state: SearchState,
    batch: Batch,
    student_batch: StudentBatch,
    passes: Sequence[WidthPass],
    noise_seed: int,
    space: SpaceSettings,
    search: SearchSettings,
    guard: GuardedStep,
) -> Moment:
    """One step of the teacher, then one of the student on the teacher's current labels.

    Args:
        state: supernet, architecture, student and their optimisers; weights and buffers move.
        batch: of D_t^tr.
        student_batch: the student's three batches; the stored labels (B, C, H, W) only tell where the image ends,
            because they are 0 in all classes outside it.
        passes: the widths of the teacher's step, and of the labelling.
        noise_seed: of the student's dropout.
        space, search, guard: see `lbt.search.teacher_step`.

    Raises:
        ArithmeticError: a loss or gradient was not finite.
    """
    _, teacher = teacher_step(state, batch, (passes[0],), space, search, guard, ALONE)
    labelled, (unlabeled, stored), validation = student_batch
    with torch.no_grad():
        weights = dict(state.supernet.named_parameters())
        probability = live_labels(state.supernet, weights, state.architecture, unlabeled, passes[1], search)
    inside = stored.amax(dim=1, keepdim=True) > 0
    _, student = state.partner.train_step((labelled, (unlabeled, probability * inside), validation), noise_seed)
    _, skipped = settle({"teacher": guard, **state.partner.guards}, {})
    if skipped:
        raise ArithmeticError("a weight step was skipped because a value was not finite; lower the learning rate")
    state.partner.keep_step(student)
    return Moment(teacher, student, labelled, passes[1])


def live_labels(
    supernet: Supernet,
    weights: Parameters,
    architecture: Parameters,
    images: Tensor,
    choose_widths: WidthPass,
    search: SearchSettings,
) -> Tensor:
    """p(x; T, A) as `student_term` takes it: images (B, 3, H, W) -> probabilities (B, C, H, W)."""
    widths = choose_widths(architecture)
    logits = call_without_side_effects(supernet, weights, images, architecture, widths)[0]
    probability = (logits / search.pseudo_labels.temperature).softmax(dim=1)
    return upsample(probability, (images.shape[-2], images.shape[-1]))


@dataclass(frozen=True)
class Adjoint:
    """Gradient of an objective in the state before a step; the student's is empty where nothing depends on it."""

    architecture: Architecture
    teacher: Parameters
    teacher_buffer: Parameters
    student: Parameters
    student_buffer: Parameters


def teacher_objective(context: StepContext) -> Adjoint:
    """Of L(T_K, A, D_t^val) at the end of the trajectory."""
    images, labels = context.validation

    def loss(leaves: Parameters) -> Tensor:
        widths = context.passes[0](context.architecture)
        return supernet_loss(
            call_without_side_effects(context.supernet, leaves, images, context.architecture, widths), labels, ALONE
        )

    leaves = as_leaves(dict(context.supernet.named_parameters()))
    gradient = gradient_of(loss(leaves), {**context.architecture, **leaves}, ALONE)
    architecture = {name: gradient.pop(name) for name in context.architecture}
    return Adjoint(architecture, gradient, _zeros(gradient), {}, {})


def student_objective(context: StepContext) -> Adjoint:
    """Of L(S_K, D_s^val) at the end of the trajectory; it depends neither on A nor on T_K directly."""
    taken = context.partner_step
    images, labels = taken.validation

    def loss(leaves: Parameters) -> Tensor:
        with fixed_noise(taken.noise_seed, images.device):
            return labelled_loss(call_without_side_effects(taken.network, leaves, images)["out"], labels, ALONE)

    _, gradient = loss_gradient(loss, dict(taken.network.named_parameters()), ALONE)
    nothing = _zeros(dict(context.supernet.named_parameters()))
    return Adjoint(_zeros(context.architecture), nothing, dict(nothing), gradient, _zeros(gradient))


def through_steps(
    context: StepContext, moments: Sequence[Moment], objectives: Sequence[Adjoint]
) -> Iterator[list[Architecture]]:
    """Yield the gradients in A of some objectives through the last 1, 2, ..., all steps.

    Args:
        context: the state at the end of the trajectory, and the settings.
        moments: the steps, in the order in which they were taken.
        objectives: what `teacher_objective` and `student_objective` return, which share the work.
    """
    after, adjoints = dict(context.supernet.named_parameters()), list(objectives)
    for moment in reversed(moments):
        adjoints = [_before_student(context, moment, after, a) if a.student else a for a in adjoints]
        adjoints = _before_teacher(context, moment, adjoints)
        after = moment.teacher.step.before
        yield [adjoint.architecture for adjoint in adjoints]


def _before_student(context: StepContext, moment: Moment, after: Parameters, adjoint: Adjoint) -> Adjoint:
    taken, search = moment.student, context.search
    leaves, teacher = as_leaves(taken.step.before), as_leaves(after)
    probability = live_labels(
        context.supernet, teacher, context.architecture, taken.unlabeled, moment.labelling, search
    )

    def logits(images: Tensor, seed: int) -> Tensor:
        with fixed_noise(seed, images.device):
            return call_without_side_effects(taken.network, leaves, images)["out"]

    images, labels = moment.labelled
    supervised = labelled_loss(logits(images, taken.noise_seed + 1), labels, ALONE)
    unlabelled = logits(taken.unlabeled, taken.noise_seed)
    pseudo_loss = weighted_cross_entropy(unlabelled, probability, taken.weight, ALONE)
    pulled, weights, buffer = _pulled(taken.step, adjoint.student, adjoint.student_buffer, search.student.optimizer)
    wanted = {"architecture": context.architecture, "teacher": teacher, "student": leaves}
    (found,) = _product_gradients(supervised + search.pseudo_weight * pseudo_loss, leaves, [pulled], wanted)
    return replace(
        adjoint,
        architecture=add(adjoint.architecture, found["architecture"]),
        teacher=add(adjoint.teacher, found["teacher"]),
        student=add(weights, found["student"]),
        student_buffer=buffer,
    )


def _before_teacher(context: StepContext, moment: Moment, adjoints: Sequence[Adjoint]) -> list[Adjoint]:
    taken = moment.teacher
    leaves, (images, labels) = as_leaves(taken.step.before), taken.batch
    widths = taken.passes[0](context.architecture)
    outputs = call_without_side_effects(context.supernet, leaves, images, context.architecture, widths)
    steps = [_pulled(taken.step, a.teacher, a.teacher_buffer, context.search.teacher) for a in adjoints]
    wanted = {"architecture": context.architecture, "teacher": leaves}
    products = _product_gradients(
        supernet_loss(outputs, labels, ALONE), leaves, [pulled for pulled, _, _ in steps], wanted
    )
    return [
        replace(
            adjoint,
            architecture=add(adjoint.architecture, found["architecture"]),
            teacher=add(weights, found["teacher"]),
            teacher_buffer=buffer,
        )
        for adjoint, (_, weights, buffer), found in zip(adjoints, steps, products, strict=True)
    ]


def _pulled(
    step: WeightStep, weights: Parameters, buffer: Parameters, settings: OptimizerSettings
) -> tuple[Parameters, Parameters, Parameters]:
    """c, and the adjoints of weights and buffer before the step, without d<g, c>/dw.

    SGD does not touch a weight whose gradient is None: neither momentum nor decay applies.
    """
    moved = list(step.gradient)
    both = {name: buffer[name] - step.lr * weights[name] for name in moved}
    pulled = step.vjp_({name: weights[name] - buffer[name] / step.lr for name in moved})
    before = {name: weights[name] + settings.weight_decay * both[name] for name in moved}
    return pulled, {**weights, **before}, {**buffer, **{name: settings.momentum * both[name] for name in moved}}


def _product_gradients(
    loss: Tensor, leaves: Parameters, vectors: Sequence[Parameters], wanted: Mapping[str, Parameters]
) -> list[dict[str, dict[str, Tensor]]]:
    """For each vector the gradient of <d loss / d leaves, vector> in several groups of tensors, by group and name."""
    names = list(vectors[0])
    gradients = torch.autograd.grad(loss, [leaves[name] for name in names], create_graph=True)
    places = [(group, name) for group, members in wanted.items() for name in members]
    results = []
    for vector in vectors:
        found = torch.autograd.grad(
            gradients,
            [wanted[group][name] for group, name in places],
            [vector[name] for name in names],
            retain_graph=vector is not vectors[-1],
            materialize_grads=True,
        )
        result: dict[str, dict[str, Tensor]] = {group: {} for group in wanted}
        for (group, name), value in zip(places, found, strict=True):
            result[group][name] = value
        results.append(result)
    return results


def _zeros(like: Parameters) -> dict[str, Tensor]:
    return {name: torch.zeros_like(value) for name, value in like.items()}


Objective = Callable[[StepContext], Adjoint]
OBJECTIVES: dict[str, Objective] = {"teacher": teacher_objective, "student": student_objective}
