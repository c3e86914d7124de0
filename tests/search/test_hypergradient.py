"""Products with derivatives against autograd and finite differences, in double precision."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import (
    call_without_side_effects,
    jvp,
    loss_gradient,
    mixed_second_derivative,
)
from lbt.space.batch_norm import BatchNorm2d
from lbt.training.cross_entropy import cross_entropy


class TinySegmenter(nn.Sequential):
    """Two convolutions with BatchNorm in train mode and ReLU, float64."""

    def __init__(self, classes: int, inner: int = 6) -> None:
        super().__init__(nn.Conv2d(3, inner, 3, padding=1), BatchNorm2d(inner), nn.ReLU(), nn.Conv2d(inner, classes, 1))
        self.double().train()


def setting(seed, classes=4):
    """A loss L(w, A) in which A scales the input and mixes it, its weights, A and a vector."""
    torch.manual_seed(seed)
    module = TinySegmenter(classes)
    images, truth = torch.randn(2, 3, 6, 7).double(), torch.randint(classes, (2, 6, 7))
    architecture = {"alpha": torch.randn(3).double(), "beta": torch.randn(classes).double()}
    weights = {name: p.detach() for name, p in module.named_parameters()}
    vector = {name: torch.randn_like(value) for name, value in weights.items()}

    def loss(w, a):
        x = images * a["alpha"].softmax(0)[:, None, None]
        logits = call_without_side_effects(module, w, x) * a["beta"].exp()[:, None, None]
        return cross_entropy(logits, truth).mean()

    return loss, weights, architecture, vector


def double_backward(loss, weights, architecture, vector):
    w = {name: value.clone().requires_grad_() for name, value in weights.items()}
    a = {name: value.clone().requires_grad_() for name, value in architecture.items()}
    gradients = torch.autograd.grad(loss(w, a), [w[name] for name in vector], create_graph=True)
    along = sum((g * v).sum() for g, v in zip(gradients, vector.values(), strict=True))
    return dict(zip(a, torch.autograd.grad(along, list(a.values())), strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_the_mixed_second_derivative_equals_double_backward(seed):
    loss, weights, architecture, vector = setting(seed)
    for chosen in (vector, {name: vector[name] for name in list(vector)[::2]}):  # a part of the weights, too
        expected = double_backward(loss, weights, architecture, chosen)
        found = mixed_second_derivative(loss, weights, architecture, chosen, ALONE)
        for name, value in expected.items():
            assert (found[name] - value).norm() / value.norm() < 1e-10


def test_jvp_through_deeplabv3_in_train_mode_equals_central_differences():
    torch.manual_seed(0)
    student = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3).double().train()
    for module in student.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    images = torch.randn(2, 3, 32, 32).double()
    parameters = {name: p.detach() for name, p in student.named_parameters()}
    direction = {name: torch.randn_like(p) * p.abs().mean() for name, p in parameters.items()}

    def log_probabilities(p):
        return call_without_side_effects(student, p, images)["out"].log_softmax(1)

    found = jvp(log_probabilities, parameters, direction)

    def at(t):
        with torch.no_grad():
            return log_probabilities({name: p + t * direction[name] for name, p in parameters.items()})

    step = 1e-6
    expected = (at(step) - at(-step)) / (2 * step)
    assert (found - expected).norm() / expected.norm() < 1e-5


def test_calls_do_not_change_weights_buffers_or_gradients():
    torch.manual_seed(0)
    student = TinySegmenter(3)
    state = {name: value.clone() for name, value in student.state_dict().items()}
    parameters = {name: p.detach() for name, p in student.named_parameters()}
    images = torch.randn(2, 3, 6, 6).double()
    _, direction = loss_gradient(
        lambda p: call_without_side_effects(student, p, images).square().mean(), parameters, ALONE
    )
    jvp(lambda p: call_without_side_effects(student, p, images), parameters, direction)
    assert all(torch.equal(state[name], value) for name, value in student.state_dict().items())
    assert all(p.grad is None for p in student.parameters())
    # the plain call changes the statistics, so the test can fail
    functional_call(student, parameters, (images,))
    assert not torch.equal(state["1.running_mean"], student.state_dict()["1.running_mean"])
