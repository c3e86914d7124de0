"""The student's gradient through its labels, against autograd through the unrolled step in float64."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

from lbt.search.hypergradient import (
    call_without_side_effects,
    directional_log_probabilities,
    labelling_value,
    loss_gradient,
)


class TinySegmenter(nn.Sequential):
    """Two convolutions with BatchNorm in train mode and ReLU, float64."""

    def __init__(self, classes: int, inner: int = 6) -> None:
        super().__init__(
            nn.Conv2d(3, inner, 3, padding=1), nn.BatchNorm2d(inner), nn.ReLU(), nn.Conv2d(inner, classes, 1)
        )
        self.double().train()


def cross_entropy(logits: torch.Tensor, probability: torch.Tensor) -> torch.Tensor:
    pixels = (probability.sum(1) > 0).sum()
    return -(probability * logits.log_softmax(1)).sum() / pixels


@pytest.mark.parametrize("seed", range(5))
def test_gradient_through_labels_equals_autograd_through_the_unrolled_step(seed):
    torch.manual_seed(seed)
    classes, lr, weight = 4, 0.3, 0.7
    student = TinySegmenter(classes)
    images, unlabeled, held_out = (torch.randn(2, 3, 6, 7).double() for _ in range(3))
    labels, truth = (torch.randint(classes, (2, 6, 7)) for _ in range(2))
    teacher_logits = torch.randn(2, classes, 6, 7).double().requires_grad_()
    mask = (torch.rand(2, 1, 6, 7) > 0.2).double()  # pixels without a label hold zeros
    before = {name: p.detach().clone() for name, p in student.named_parameters()}

    def supervised(parameters):
        logits = call_without_side_effects(student, parameters, images)
        return nn.functional.cross_entropy(logits, labels)

    def validation(parameters):
        return nn.functional.cross_entropy(call_without_side_effects(student, parameters, held_out), truth)

    # oracle: build the step with its graph and differentiate the validation loss through it
    leaves = {name: value.clone().requires_grad_() for name, value in before.items()}
    probability = teacher_logits.softmax(1) * mask
    loss = supervised(leaves) + weight * cross_entropy(
        call_without_side_effects(student, leaves, unlabeled), probability
    )
    gradients = torch.autograd.grad(loss, list(leaves.values()), create_graph=True)
    after = {name: leaf - lr * g for (name, leaf), g in zip(leaves.items(), gradients, strict=True)}
    (oracle,) = torch.autograd.grad(validation(after), teacher_logits)

    _, direction = loss_gradient(validation, after)
    derivative = directional_log_probabilities(
        lambda p: call_without_side_effects(student, p, unlabeled), before, direction
    )
    (found,) = torch.autograd.grad(
        labelling_value(teacher_logits.softmax(1) * mask, derivative, lr * weight), teacher_logits
    )
    assert (found - oracle).norm() / oracle.norm() < 1e-10


def test_a_label_that_helps_the_student_is_raised():
    """Descending the labelling value moves probability towards the true class, which is also the held-out truth."""
    torch.manual_seed(0)
    student = TinySegmenter(3)
    images, truth = torch.randn(2, 3, 6, 6).double(), torch.randint(3, (2, 6, 6))
    parameters = {name: p.detach() for name, p in student.named_parameters()}

    def loss(p):
        return nn.functional.cross_entropy(call_without_side_effects(student, p, images), truth)

    _, direction = loss_gradient(loss, parameters)
    derivative = directional_log_probabilities(
        lambda p: call_without_side_effects(student, p, images), parameters, direction
    )
    probability = torch.full((2, 3, 6, 6), 1 / 3, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(labelling_value(probability, derivative, 1.0), probability)
    true = nn.functional.one_hot(truth, 3).permute(0, 3, 1, 2).double()
    assert (gradient * true).sum() < (gradient * (1 - true) / 2).sum()


def test_directional_derivative_through_deeplabv3_in_train_mode_equals_central_differences():
    torch.manual_seed(0)
    student = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3).double().train()
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    images = torch.randn(2, 3, 32, 32).double()
    parameters = {name: p.detach() for name, p in student.named_parameters()}
    direction = {name: torch.randn_like(p) * p.abs().mean() for name, p in parameters.items()}

    def logits(p):
        return call_without_side_effects(student, p, images)["out"]

    found = directional_log_probabilities(logits, parameters, direction)

    def at(t):
        with torch.no_grad():
            return logits({name: p + t * direction[name] for name, p in parameters.items()}).log_softmax(1)

    step = 1e-6
    expected = (at(step) - at(-step)) / (2 * step)
    assert (found - expected).norm() / expected.norm() < 1e-5


def test_calls_leave_weights_buffers_and_gradients_untouched():
    torch.manual_seed(0)
    student = TinySegmenter(3)
    state = {name: value.clone() for name, value in student.state_dict().items()}
    parameters = {name: p.detach() for name, p in student.named_parameters()}
    images = torch.randn(2, 3, 6, 6).double()
    _, direction = loss_gradient(lambda p: call_without_side_effects(student, p, images).square().mean(), parameters)
    directional_log_probabilities(lambda p: call_without_side_effects(student, p, images), parameters, direction)
    assert all(torch.equal(state[name], value) for name, value in student.state_dict().items())
    assert all(p.grad is None for p in student.parameters())
    # the plain call would have moved the statistics: the test can fail
    functional_call(student, parameters, (images,))
    assert not torch.equal(state["1.running_mean"], student.state_dict()["1.running_mean"])
