"""The recursion against LBT's own gradient (one step) and against autograd through all steps, in double precision."""

import pytest
import torch
from quick import quick_first
from torch import nn
from unrolled import (
    CLASSES,
    SIZE,
    SPACE,
    SmallStudentPartner,
    batch,
    invented_table,
    optimizer_settings,
    passes,
    relative,
    warm_state,
)
from unrolled_steps import OBJECTIVES, live_labels, live_step, through_steps

from lbt.config import PseudoLabelSettings, SearchSettings, StudentSettings
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.methods import load_method
from lbt.search.step_context import StepContext
from lbt.search.tensor_dicts import add, norm
from lbt.search.torchvision_network import fixed_noise
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep

SEEDS = range(3)
STUDENT_WEIGHT = 20.0
LR = 1e-3  # larger ones, unclipped, leave stability on these images, and rounding grows with the gradient


def settings_of(seed):
    """Clipped and whole steps, temperatures, weightings."""
    return SearchSettings(
        teacher=optimizer_settings(1e9 if seed % 2 else 0.5, lr=LR),
        student=StudentSettings(optimizer=optimizer_settings(1e9 if seed % 3 else 0.1, lr=LR)),
        pseudo_weight=0.7,
        student_weight=STUDENT_WEIGHT,
        student_term="raw",
        gradient="one_step",
        second_order_limit=1e9,
        pseudo_labels=PseudoLabelSettings(
            temperature=(1.0, 0.6, 1.7)[seed % 3], weighting="confidence" if seed % 4 < 2 else "uniform"
        ),
    )


def trajectory(seed, steps, table):
    """Context at the end, the steps, and weights and momentum buffers at the start."""
    search = settings_of(seed)
    state, source = warm_state(seed, search), torch.Generator().manual_seed(1000 + seed)
    state.partner = SmallStudentPartner(search, CLASSES, seed, torch.device("cpu"), ALONE)
    state.partner.begin_round("test", 1.0, None)
    guard = GuardedStep("teacher", state.supernet)

    def step(index):
        stored = torch.ones(2, CLASSES, SIZE, SIZE, dtype=torch.float64) * (torch.rand(2, 1, SIZE, SIZE) > 0.1)
        batches = batch(), (*batch(labels=False), stored), batch()
        widths = passes(source, search) + passes(source, search)
        return live_step(state, batch(), batches, widths, 10 * index, SPACE, search, guard)

    step(0)  # so that both networks have momentum
    start = [
        ({n: p.detach().clone() for n, p in module.named_parameters()}, buffers_of(module, optimizer))
        for module, optimizer in (
            (state.supernet, state.teacher_optimizer),
            (state.partner.network, state.partner.optimizer),
        )
    ]
    moments = [step(index) for index in range(1, steps + 1)]
    context = StepContext(
        supernet=state.supernet,
        architecture=state.architecture,
        passes=(moments[-1].labelling,),
        validation=batch(),
        space=SPACE,
        search=search,
        table=table,
        latency_weight=0.0,
        processes=ALONE,
        teacher_step=moments[-1].teacher,
        partner_step=moments[-1].student,
    )
    return context, moments, start


def buffers_of(module, optimizer):
    found = {name: optimizer.state[p].get("momentum_buffer") for name, p in module.named_parameters()}
    return {name: 0.0 if value is None else value.clone() for name, value in found.items()}


def recursion(context, moments):
    """Gradients of both objectives, by part, through the last 1, 2, ... steps."""
    found = through_steps(context, moments, [objective(context) for objective in OBJECTIVES.values()])
    return [dict(zip(OBJECTIVES, gradients, strict=True)) for gradients in found]


@pytest.mark.parametrize("seed", quick_first(1, SEEDS))
def test_through_one_step_it_is_one_step(seed, tmp_path):
    context, moments, _ = trajectory(seed, 1, invented_table(tmp_path))
    (found,) = recursion(context, moments)
    expected = load_method("lbt").architecture_gradient(context).gradient
    assert norm(expected) > 0
    assert relative(add(found["teacher"], found["student"], STUDENT_WEIGHT), expected) < 1e-10


@pytest.mark.parametrize("seed", quick_first(1, SEEDS))
def test_through_three_steps_it_is_autograd_through_the_whole_graph(seed, tmp_path):
    context, moments, start = trajectory(seed, 3, invented_table(tmp_path))
    one, two, three = recursion(context, moments)
    for part, value in objectives(context, moments, start).items():
        leaves = list(context.architecture.values())
        gradients = torch.autograd.grad(value, leaves, retain_graph=True, materialize_grads=True)
        expected = dict(zip(context.architecture, gradients, strict=True))
        assert norm(expected) > 0
        assert relative(three[part], expected) < 1e-9, part
        # the steps before the last have an effect, so this is not the comparison of one step again
        assert relative(one[part], expected) > 1e-3
        assert relative(two[part], expected) > 1e-3


def objectives(context, moments, start):
    """Both objectives as graphs over A through all steps of SGD, with momentum, decay and clipping."""
    architecture, search = context.architecture, context.search
    (teacher, teacher_buffer), (student, student_buffer) = start
    teacher = {name: value.requires_grad_() for name, value in teacher.items()}
    student = {name: value.requires_grad_() for name, value in student.items()}
    network = context.partner_step.network

    def supernet(weights, images, choose_widths):
        widths = choose_widths(architecture)
        return call_without_side_effects(context.supernet, weights, images, architecture, widths)

    def student_logits(weights, images, seed):
        with fixed_noise(seed, images.device):
            return call_without_side_effects(network, weights, images)["out"]

    for moment in moments:
        images, labels = moment.teacher.batch
        loss = supernet_loss(supernet(teacher, images, moment.teacher.passes[0]), labels, ALONE)
        teacher, teacher_buffer = sgd_step(teacher, teacher_buffer, loss, search.teacher)
        taken = moment.student
        target = live_labels(context.supernet, teacher, architecture, taken.unlabeled, moment.labelling, context.search)
        pseudo = target * student_logits(student, taken.unlabeled, taken.noise_seed).log_softmax(1)
        supervised = student_logits(student, moment.labelled[0], taken.noise_seed + 1)
        loss = nn.functional.cross_entropy(supervised, moment.labelled[1], ignore_index=255)
        loss = loss - search.pseudo_weight * (taken.weight * pseudo.sum(1)).sum()
        student, student_buffer = sgd_step(student, student_buffer, loss, search.student.optimizer)
    for weights, module in ((teacher, context.supernet), (student, network)):
        for name, p in module.named_parameters():  # the graph is that of the steps that were taken
            torch.testing.assert_close(weights[name].detach(), p.detach(), rtol=1e-9, atol=1e-11)

    images, labels = context.validation
    held, truth = context.partner_step.validation
    logits = student_logits(student, held, context.partner_step.noise_seed)
    return {
        "teacher": supernet_loss(supernet(teacher, images, context.passes[0]), labels, ALONE),
        "student": nn.functional.cross_entropy(logits, truth, ignore_index=255),
    }


def sgd_step(weights, buffers, loss, settings):
    """Weights and buffers after a step, as graphs; weights without an effect on the loss do not change."""
    found = torch.autograd.grad(loss, list(weights.values()), create_graph=True, allow_unused=True)
    gradients = {name: g for name, g in zip(weights, found, strict=True) if g is not None}
    length = sum(g.square().sum() for g in gradients.values()).sqrt()
    factor = torch.clamp(settings.clip_norm / (length + 1e-6), max=1.0)
    weights, buffers = dict(weights), dict(buffers)
    for name, gradient in gradients.items():
        decayed = factor * gradient + settings.weight_decay * weights[name]
        buffers[name] = settings.momentum * buffers[name] + decayed
        weights[name] = weights[name] - settings.lr * buffers[name]
    return weights, buffers
