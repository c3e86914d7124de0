"""The terms of an architecture step on a small supernet, against autograd, and what a step may not touch."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.expected import expected_latency
from lbt.latency.parts import space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.losses import supernet_loss, upsample
from lbt.search.architecture_step import (
    StepContext,
    StudentStep,
    combine,
    latency_term,
    norm,
    student_term,
    teacher_term,
)
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.methods import load_method
from lbt.space.architecture import initial_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import gumbel_noise, sampled_widths

SPACE = SpaceSettings(layers=4, base_width=2)
CLASSES, SIZE = 3, 64


class Student(nn.Module):
    """A small student that answers as torchvision's networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, CLASSES, 1))

    def forward(self, images):
        return {"out": self.body(images)}


@pytest.fixture
def context(tmp_path):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    supernet = Supernet(SPACE, CLASSES).double().train()
    architecture = {
        name: (100 * value).double().requires_grad_() for name, value in initial_architecture(SPACE, generator).items()
    }
    student = Student().double().train()
    images = [torch.randn(2, 3, SIZE, SIZE).double() for _ in range(3)]
    labels = [torch.randint(CLASSES, (2, SIZE, SIZE)) for _ in range(2)]
    key = TableKey("test", "eager", "float32", SIZE, SIZE, 1, CLASSES, "none")
    table = LatencyTable(tmp_path, key, dict.fromkeys(space_parts(SPACE, CLASSES), 1.0))
    before = {name: p.detach().clone() for name, p in student.named_parameters()}
    return StepContext(
        supernet=supernet,
        architecture=architecture,
        noise={name: value.double() for name, value in gumbel_noise(SPACE, generator).items()},
        validation=(images[0], labels[0]),
        space=SPACE,
        search=SearchSettings(pseudo_weight=0.5, student_term="raw"),
        table=table,
        latency_weight=0.01,
        student_step=StudentStep(student, before, 0.2, images[1], (images[2], labels[1]), noise_seed=3),
    )


def supernet_output(context, images):
    """The supernet as a plain call on a copy, with gradient to A."""
    widths = sampled_widths(context.architecture, SPACE, context.noise)
    return call_without_side_effects(
        context.supernet, dict(context.supernet.named_parameters()), images, context.architecture, widths
    )


def relative(found, expected):
    difference = {name: found[name] - expected[name] for name in expected}
    return norm(difference) / norm(expected)


def test_teacher_term_equals_a_plain_backward_pass(context):
    images, labels = context.validation
    loss = supernet_loss(supernet_output(context, images), labels)
    expected = torch.autograd.grad(loss, list(context.architecture.values()), allow_unused=True)
    term = teacher_term(context)
    assert term.value == pytest.approx(float(loss.detach()))
    for (name, leaf), gradient in zip(context.architecture.items(), expected, strict=True):
        torch.testing.assert_close(term.gradient[name], torch.zeros_like(leaf) if gradient is None else gradient)


def test_student_term_equals_autograd_through_the_unrolled_student_step(context):
    step, weight = context.student_step, context.search.pseudo_weight
    leaves = {name: value.clone().requires_grad_() for name, value in step.before.items()}
    probability = upsample(supernet_output(context, step.unlabeled)[0].softmax(1), (SIZE, SIZE))
    log_q = call_without_side_effects(step.student, leaves, step.unlabeled)["out"].log_softmax(1)
    taught = weight * -(probability * log_q).sum(1).mean()
    gradients = torch.autograd.grad(taught, list(leaves.values()), create_graph=True)
    # S' is where the student stands after its real step; the labels move it by the last gradient alone
    moved = {
        name: p.detach() - step.step_size * (g - g.detach())
        for (name, p), g in zip(step.student.named_parameters(), gradients, strict=True)
    }
    images, labels = step.validation
    loss = nn.functional.cross_entropy(call_without_side_effects(step.student, moved, images)["out"], labels)
    found = torch.autograd.grad(loss, list(context.architecture.values()), allow_unused=True)
    expected = {
        name: torch.zeros_like(leaf) if g is None else g
        for (name, leaf), g in zip(context.architecture.items(), found, strict=True)
    }
    assert norm(expected) > 0
    assert relative(student_term(context).gradient, expected) < 1e-10


@pytest.mark.parametrize("method", ["fasterseg", "lbt"])
def test_an_architecture_step_changes_no_weight_buffer_or_gradient(context, method):
    modules = (context.supernet, context.student_step.student)
    before = [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]
    random_state = torch.get_rng_state()
    load_method(method).architecture_gradient(context)
    for module, state in zip(modules, before, strict=True):
        assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
        assert all(p.grad is None for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_matched_students_gradient_has_the_teachers_norm(context):
    matched = replace(context, search=SearchSettings(student_term="matched"), latency_weight=0.0)
    teacher, student = teacher_term(matched), student_term(matched)
    total = combine(matched, teacher, student).gradient
    part = {name: total[name] - teacher.gradient[name] for name in total}
    assert norm(part) == pytest.approx(norm(teacher.gradient))
    raw = replace(matched, search=SearchSettings(student_term="raw"))
    part = {n: g - teacher.gradient[n] for n, g in combine(raw, teacher, student).gradient.items()}
    assert relative(part, student.gradient) < 1e-9


def test_latency_gradient_is_balanced_group_by_group(context):
    """Each group's part is its factor times the gradient of the latency with the other two groups held fixed."""
    milliseconds = {part: 1 + 0.1 * i % 3 for i, part in enumerate(context.table.milliseconds)}
    balance = (2.0, 0.5, 3.0)
    context = replace(
        context,
        table=replace(context.table, milliseconds=milliseconds),
        search=SearchSettings(latency_balance=balance),
        latency_weight=0.7,
    )
    term, expected = latency_term(context), {}
    for group, factor in zip(("alpha", "beta", "gamma"), balance, strict=True):
        parts = {n: v if n.startswith(group) else v.detach() for n, v in context.architecture.items()}
        moved = [name for name in parts if name.startswith(group)]
        latency = expected_latency(parts, SPACE, context.table)
        gradients = torch.autograd.grad(latency, [parts[name] for name in moved])
        expected |= {name: factor * gradient for name, gradient in zip(moved, gradients, strict=True)}
        assert any(gradient.abs().max() > 0 for gradient in gradients)
    assert set(expected) == set(term.gradient)
    for name, gradient in expected.items():
        torch.testing.assert_close(term.gradient[name], gradient)
    assert term.value == pytest.approx(float(expected_latency(context.architecture, SPACE, context.table).detach()))
    teacher = teacher_term(context)
    total = combine(context, teacher)
    assert total.record["latency_gradient_norm"] == pytest.approx(norm(expected))
    assert total.record["latency_ms"] == term.value
    part = {name: total.gradient[name] - teacher.gradient[name] for name in expected}
    assert relative(part, {name: 0.7 * gradient for name, gradient in expected.items()}) < 1e-9
