"""What steadies the student's term, each against autograd through its own definition, in double precision."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from unrolled import (
    CLASSES,
    SIZE,
    SmallStudentPartner,
    batch,
    invented_table,
    optimizer_settings,
    relative,
    student_context,
)

from lbt.config import ArchitectureSettings, SearchSettings, StudentSettings
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.loop import move_architecture
from lbt.search.methods import load_method
from lbt.search.methods.lbt.student import label_derivatives
from lbt.search.state import SearchState
from lbt.search.torchvision_network import fixed_noise
from lbt.training.optimizers import GuardedStep, adam, settle


def settings_of(clip_norm=1e9, **changes):
    optimizer = optimizer_settings(clip_norm, lr=0.1)
    return SearchSettings(student=StudentSettings(optimizer=optimizer), pseudo_weight=0.7, **changes)


def logits_of(network, parameters, images, noise_seed):
    with fixed_noise(noise_seed, images.device):
        return call_without_side_effects(network, parameters, images)["out"]


def steps_of(search, count):
    """A student's last steps, the batches of each, and copies of its weights after each."""
    torch.manual_seed(0)
    student = SmallStudentPartner(search, CLASSES, 0, torch.device("cpu"), ALONE)
    student.begin_round("test", 1.0, None)
    found = []
    for index in range(count):
        probability = torch.randn(2, CLASSES, SIZE, SIZE, dtype=torch.float64).softmax(1)
        batches = batch(), (*batch(labels=False), probability), batch()
        _, taken = student.train_step(batches, 10 * index)
        settle(student.guards, {})
        student.keep_step(taken)
        weights = {name: p.detach().clone() for name, p in student.network.named_parameters()}
        found.append((taken, batches, weights))
    return student, found


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.95])
def test_the_validation_gradient_is_the_mean_of_those_at_each_step(memory):
    student, found = steps_of(settings_of(student_memory=memory), 4)
    total, weights = None, [memory ** (len(found) - 1 - k) for k in range(len(found))]
    for weight, (taken, (_, _, (images, labels)), after) in zip(weights, found, strict=True):
        leaves = {name: value.requires_grad_() for name, value in after.items()}
        loss = nn.functional.cross_entropy(
            logits_of(student.network, leaves, images, taken.noise_seed), labels, ignore_index=255
        )
        assert taken.validation_loss == pytest.approx(float(loss.detach()), rel=1e-12)
        parts = torch.autograd.grad(loss, list(leaves.values()))
        parts = [weight / sum(weights) * part for part in parts]
        total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
    expected = dict(zip(found[-1][2], total, strict=True))
    assert relative(found[-1][0].validation_gradient, expected) < 1e-12


@pytest.mark.parametrize("clip_norm", [1e9, 0.1])
def test_labels_of_several_steps_have_the_derivative_through_momentum(clip_norm):
    """S' as a graph over the labels of three steps of SGD, in which a gradient does not depend on earlier steps."""
    search = settings_of(clip_norm, label_steps=3, student_memory=0.5)
    student, found = steps_of(search, 4)
    momentum, lr = search.student.optimizer.momentum, search.student.optimizer.lr
    labels, moved = [], dict.fromkeys(found[-1][2], 0.0)
    buffer = dict(moved)
    for taken, ((images, truth), (unlabeled, probability), _), _ in found[1:]:
        label = probability.clone().requires_grad_()
        labels.append(label)
        leaves = {name: value.clone().requires_grad_() for name, value in taken.step.before.items()}
        log_q = logits_of(student.network, leaves, unlabeled, taken.noise_seed).log_softmax(1)
        supervised = logits_of(student.network, leaves, images, taken.noise_seed + 1)
        loss = nn.functional.cross_entropy(supervised, truth, ignore_index=255)
        loss = loss - search.pseudo_weight * (taken.weight * (label * log_q).sum(1)).sum()
        gradients = torch.autograd.grad(loss, list(leaves.values()), create_graph=True)
        length = sum(g.square().sum() for g in gradients).sqrt()
        assert (length > clip_norm) == (clip_norm < 1)
        factor = torch.clamp(clip_norm / (length + 1e-6), max=1)
        for name, gradient in zip(leaves, gradients, strict=True):
            buffer[name] = momentum * buffer[name] + factor * gradient
            moved[name] = moved[name] - lr * buffer[name]
    value = sum((moved[name] * part).sum() for name, part in found[-1][0].validation_gradient.items())
    expected = torch.autograd.grad(value, labels)

    context = replace(student_context(0, search, invented_table("table"))[0], partner_step=found[-1][0])
    derivatives = label_derivatives(context)
    assert len(derivatives) == 3
    for index, (images, derivative) in enumerate(derivatives):
        assert images is found[-1 - index][1][1][0]
        torch.testing.assert_close(derivative, expected[-1 - index], rtol=1e-9, atol=1e-14)
    # the factor of an older step is not 1: without momentum's, the comparison would fail
    assert float(derivatives[1][1].abs().sum()) > 1.5 * float(derivatives[0][1].abs().sum())


def test_matched_takes_root_mean_squares_over_the_steps():
    search = settings_of(norm_memory=0.5, student_weight=2.0)
    context, _ = student_context(0, search, invented_table("table"))
    gradient = load_method("lbt").architecture_gradient
    first = gradient(context).record
    assert first["student_factor"] == pytest.approx(2 * first["teacher_gradient_norm"] / first["student_gradient_norm"])
    context.partner_step.norms.update({"teacher": torch.tensor(9.0), "student": torch.tensor(4.0)})
    found = gradient(context).record
    past = {"teacher": 9.0, "student": 4.0}
    teacher, student = (0.5 * value + found[f"{name}_gradient_norm"] ** 2 for name, value in past.items())
    assert found["student_factor"] == pytest.approx(2 * (teacher / student) ** 0.5)
    assert gradient(context).record == found  # computing a gradient changes no mean


def state_of(leaves, optimizer):
    return SearchState(None, leaves, None, optimizer, 0.0, None)


def test_the_architecture_moves_with_the_mean_of_several_gradients():
    torch.manual_seed(0)
    start, settings = torch.randn(3, 4), ArchitectureSettings(lr=0.1, accumulate=3, clip_norm=0.5)
    gradients = [torch.randn(3, 4) for _ in range(7)]
    leaf, guard = start.clone().requires_grad_(), GuardedStep("architecture")
    state = state_of({"alpha": leaf}, adam([leaf], settings))
    values = {"loss": 1.0, "teacher_student_cosine": float("nan")}
    for index, gradient in enumerate(gradients):
        before = leaf.detach().clone()
        if index == 4:  # a step that is not finite counts as skipped, and the group waits for another
            move_architecture(state, settings, {"alpha": gradient * float("nan")}, {"loss": float("nan")}, guard)
        move_architecture(state, settings, {"alpha": gradient}, values, guard)
        assert torch.equal(before, leaf) == (index % 3 != 2)
    assert guard.skipped == 1

    expected = start.clone().requires_grad_()
    optimizer = adam([expected], settings)
    for group in (gradients[:3], gradients[3:6]):
        expected.grad = torch.stack(group).mean(0)
        nn.utils.clip_grad_norm_([expected], 0.5)
        optimizer.step()
    torch.testing.assert_close(leaf.detach(), expected.detach())
