"""LBT's three gradients against autograd through both unrolled steps, in double precision."""

import copy
from dataclasses import replace

import pytest
import torch
from quick import quick_first
from torch import nn
from unrolled import (
    SIZE,
    gradient_in,
    invented_table,
    optimizer_settings,
    relative,
    stepped,
    student_context,
    supernet_logits,
    teacher_after,
)

from lbt.config import PseudoLabelSettings, SearchSettings, StudentSettings
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.methods import load_method
from lbt.search.methods.lbt.gradient import student_factor
from lbt.search.methods.lbt.student import student_term
from lbt.search.running_mean import RunningMean
from lbt.search.step_context import Term
from lbt.search.tensor_dicts import add, norm
from lbt.search.torchvision_network import fixed_noise
from lbt.space.padding import upsample
from lbt.training.losses import supernet_loss

SEEDS = range(20)


def settings_of(seed, **changes):
    """Settings that differ from seed to seed: clipped and whole steps, temperatures, thresholds, weightings, passes."""
    return SearchSettings(
        teacher=optimizer_settings(1e9 if seed % 2 else 0.5),
        student=StudentSettings(optimizer=optimizer_settings(1e9 if seed % 3 else 0.1, lr=0.1)),
        pseudo_weight=0.7,
        student_weight=20.0,
        student_term="raw",
        second_order_limit=1e9,
        pseudo_labels=PseudoLabelSettings(
            temperature=(1.0, 0.6, 1.7)[seed % 3],
            threshold=0.36 if seed % 2 else 0.0,
            weighting="confidence" if seed % 4 < 2 else "uniform",
        ),
        width_passes=("sampled", "max", "min", "sampled") if seed % 4 == 2 else ("sampled",),
        **changes,
    )


def objective(context, labelled, architecture, *, labels_move=True, teacher_moves=True):
    """L(T', A, D_t^val) + student_weight * L(S', D_s^val), summed over the passes, with both steps as graphs over A."""
    weights = teacher_after(context, architecture) if teacher_moves else None
    images, truth = context.validation
    labelling = architecture if labels_move else {name: leaf.detach() for name, leaf in architecture.items()}
    value, used = 0.0, None
    for choose in context.passes:
        value += supernet_loss(supernet_logits(context, architecture, images, weights, choose), truth, ALONE)
        logits = supernet_logits(context, labelling, context.partner_step.unlabeled, weights, choose)[0]
        probability = upsample((logits / context.search.pseudo_labels.temperature).softmax(1), (SIZE, SIZE))
        # The student's step used the labels of the first pass; those of the others have their own derivative there.
        used = probability.detach() if used is None else used
        moved = used + (probability - probability.detach())
        value += context.search.student_weight * student_objective(context, labelled, moved)
    return value


def student_objective(context, labelled, probability):
    """L(S', D_s^val) as a graph over the labels of the student's step."""
    search, taken = context.search, context.partner_step

    def student(parameters, images, seed):
        with fixed_noise(seed, images.device):
            return call_without_side_effects(taken.network, parameters, images)["out"]

    def loss(parameters):
        log_q = student(parameters, taken.unlabeled, taken.noise_seed).log_softmax(1)
        pseudo_loss = -(taken.weight * (probability * log_q).sum(1)).sum()
        supervised = student(parameters, labelled[0], taken.noise_seed + 1)
        supervised = nn.functional.cross_entropy(supervised, labelled[1], ignore_index=255)
        return supervised + search.pseudo_weight * pseudo_loss

    after = stepped(taken.network, taken.step, loss)
    held_out, held_truth = taken.validation
    return nn.functional.cross_entropy(student(after, held_out, taken.noise_seed), held_truth, ignore_index=255)


DEFINITIONS = {
    "one_step": {},
    "direct": {"teacher_moves": False},
    # A changes the student's labels through T' only
    "published": {"labels_move": False},
}


@pytest.mark.parametrize("seed", quick_first(4, SEEDS))
def test_each_gradient_equals_autograd_through_the_unrolled_steps(seed, tmp_path):
    context, labelled = student_context(seed, settings_of(seed), invented_table(tmp_path))
    found = {}
    for name, definition in DEFINITIONS.items():
        mine = replace(context, search=settings_of(seed, gradient=name))
        found[name] = load_method("lbt").architecture_gradient(mine).gradient
        expected = gradient_in(context.architecture, objective(context, labelled, context.architecture, **definition))
        assert norm(expected) > 0
        assert relative(found[name], expected) < 1e-10, name
    # the three differ by far more than the tolerance, so the comparisons can fail
    assert relative(found["direct"], found["one_step"]) > 1e-6
    assert relative(found["published"], found["one_step"]) > 1e-6


@pytest.mark.parametrize("seed", quick_first(1, [1, 3, 5, 7]))
def test_central_differences_of_the_whole_objective_agree(seed, tmp_path):
    """No product and no graph over A: both steps are repeated at a displaced A."""
    search = settings_of(seed, gradient="one_step")
    context, labelled = student_context(seed, search, invented_table(tmp_path))
    found = load_method("lbt").architecture_gradient(context).gradient
    torch.manual_seed(0)
    # a straight-through width has the same value at any gamma, so differences cannot show its gradient
    moving = [name for name in context.architecture if not name.startswith("gamma")]
    direction = {n: torch.randn_like(v) if n in moving else 0 * v.detach() for n, v in context.architecture.items()}
    step = 1e-8  # a larger step makes some ReLU change its side, and the gradient of a weight step jumps

    def at(sign):
        moved = {n: v.detach() + sign * step * direction[n] for n, v in context.architecture.items()}
        return float(fresh_objective(context, labelled, moved))

    expected = (at(1) - at(-1)) / (2 * step)
    along = sum(float((found[name] * direction[name]).sum()) for name in moving)
    assert along == pytest.approx(expected, rel=1e-5)


def fresh_objective(context, labelled, architecture):
    """The objective with T' and S' from plain SGD steps at `architecture`."""
    search, teacher, taken = context.search, context.teacher_step, context.partner_step
    images, labels = teacher.batch

    def teacher_loss(weights):
        outputs = supernet_logits(context, architecture, images, weights, teacher.passes[0])
        return supernet_loss(outputs, labels, ALONE)

    def moved(module, step, loss):
        """The real step plus the change of its clipped gradient: momentum and decay are the same at any A."""
        leaves = {name: value.clone().requires_grad_() for name, value in step.before.items()}
        names = list(step.gradient)
        gradients = torch.autograd.grad(loss(leaves), [leaves[name] for name in names])
        factor = min(1.0, step.clip_norm / (float(sum(g.square().sum() for g in gradients)) ** 0.5 + 1e-6))
        after = {name: p.detach().clone() for name, p in module.named_parameters()}
        for name, gradient in zip(names, gradients, strict=True):
            after[name] -= step.lr * (factor * gradient - step.gradient[name])
        return after

    weights = moved(context.supernet, teacher.step, teacher_loss)
    held, truth = context.validation
    with torch.no_grad():
        value = supernet_loss(supernet_logits(context, architecture, held, weights), truth, ALONE)
        logits = supernet_logits(context, architecture, taken.unlabeled, weights)[0]
        probability = upsample((logits / search.pseudo_labels.temperature).softmax(1), (SIZE, SIZE))

    def student_loss(parameters):
        with fixed_noise(taken.noise_seed, images.device):
            log_q = call_without_side_effects(taken.network, parameters, taken.unlabeled)["out"].log_softmax(1)
        with fixed_noise(taken.noise_seed + 1, images.device):
            logits = call_without_side_effects(taken.network, parameters, labelled[0])["out"]
        supervised = nn.functional.cross_entropy(logits, labelled[1], ignore_index=255)
        return supervised - search.pseudo_weight * (taken.weight * (probability * log_q).sum(1)).sum()

    after, (images_s, truth_s) = moved(taken.network, taken.step, student_loss), taken.validation
    with torch.no_grad(), fixed_noise(taken.noise_seed, images.device):
        logits = call_without_side_effects(taken.network, after, images_s)["out"]
        return value + search.student_weight * nn.functional.cross_entropy(logits, truth_s, ignore_index=255)


@pytest.mark.parametrize("gradient", DEFINITIONS)
def test_the_matched_student_term_has_the_norm_of_the_teachers(gradient, tmp_path):
    """`matched` is `raw` with another weight, which gives both terms the same norm at fixed weights."""
    raw = settings_of(0, gradient=gradient)
    context, _ = student_context(0, raw, invented_table(tmp_path))
    matched = replace(context, search=raw.model_copy(update={"student_term": "matched", "student_weight": 1.0}))
    found = load_method("lbt").architecture_gradient(matched)
    factor = found.record["student_factor"]
    assert factor == pytest.approx(found.record["teacher_gradient_norm"] / found.record["student_gradient_norm"])
    same = replace(context, search=raw.model_copy(update={"student_weight": factor}))
    assert relative(found.gradient, load_method("lbt").architecture_gradient(same).gradient) < 1e-12


def test_the_part_through_the_teachers_step_is_limited(tmp_path):
    free = settings_of(0, gradient="one_step")
    context, _ = student_context(0, free, invented_table(tmp_path))
    whole = load_method("lbt").architecture_gradient(context)
    direct = load_method("lbt").architecture_gradient(
        replace(context, search=free.model_copy(update={"gradient": "direct"}))
    )
    limit = 0.1 * whole.record["second_order_gradient_norm"] / norm(direct.gradient)
    held = load_method("lbt").architecture_gradient(
        replace(context, search=free.model_copy(update={"second_order_limit": limit}))
    )
    through = add(whole.gradient, direct.gradient, -1)
    kept = add(held.gradient, direct.gradient, -1)
    assert relative(kept, {name: 0.1 * value for name, value in through.items()}) < 1e-9


@pytest.mark.parametrize("gradient", DEFINITIONS)
def test_an_architecture_step_changes_no_weight_buffer_or_gradient(gradient, tmp_path):
    search = settings_of(0, gradient=gradient)
    context, _ = student_context(0, search, invented_table(tmp_path))
    modules = (context.supernet, context.partner_step.network)
    before = [copy.deepcopy(module.state_dict()) for module in modules]
    kept = copy.deepcopy(context.teacher_step.step), copy.deepcopy(context.partner_step.step)
    random_state = torch.get_rng_state()
    load_method("lbt").architecture_gradient(context)
    for module, state in zip(modules, before, strict=True):
        assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
        assert all(p.grad is None for p in module.parameters())
    for step, copied in zip((context.teacher_step.step, context.partner_step.step), kept, strict=True):
        assert all(torch.equal(copied.before[name], value) for name, value in step.before.items())
        assert all(torch.equal(copied.gradient[name], value) for name, value in step.gradient.items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_label_that_helps_the_student_is_raised(tmp_path):
    """If the unlabelled images are the student's validation images, A moves towards their true classes."""
    search = settings_of(1, gradient="direct").model_copy(update={"pseudo_labels": PseudoLabelSettings()})
    context, _ = student_context(1, search, invented_table(tmp_path))
    images, truth = context.partner_step.validation
    taken = replace(context.partner_step, unlabeled=images)
    context = replace(context, partner_step=taken)
    gradient = student_term(context).gradient

    def true_probability(architecture):
        with torch.no_grad():
            p = upsample(supernet_logits(context, architecture, images)[0].softmax(1), (SIZE, SIZE))
        valid = truth != 255
        return float(p.gather(1, truth.where(valid, torch.zeros_like(truth))[:, None])[:, 0][valid].mean())

    step = 1e-3 / norm(gradient)
    moved = {name: v.detach() - step * gradient[name] for name, v in context.architecture.items()}
    assert true_probability(moved) > true_probability(context.architecture)


@pytest.mark.parametrize("length", [0.0, 1e-42, 1e-20])
def test_a_negligible_student_term_is_not_matched(length):
    """PyTorch would refuse a float32 factor of 1e42, which would only amplify rounding errors."""
    teacher, student = (Term(1.0, {"alpha.8": torch.tensor([value])}, {}) for value in (1.0, length))
    factor = student_factor(SearchSettings(), RunningMean(0.99), teacher, student)
    total = float(add(teacher.gradient, student.gradient, factor)["alpha.8"])
    assert total == pytest.approx(2.0 if length == 1e-20 else 1.0)
