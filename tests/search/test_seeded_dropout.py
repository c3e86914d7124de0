"""Every pass from one seed drops the same units, so a step and its derivative belong to one network."""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

from lbt.config import StudentSettings
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects, jvp, loss_gradient
from lbt.search.seeded_dropout import SeededDropout
from lbt.search.torchvision_network import build_network, fixed_noise

CPU = torch.device("cpu")


def test_the_mask_does_not_depend_on_memory_format_or_derivatives():
    dropout, x = SeededDropout(0.4, ALONE), torch.rand(2, 3, 8, 9) + 1

    def dropped(images):
        with fixed_noise(1, CPU):
            return dropout(images)

    expected = dropped(x)
    assert 0.2 < float((expected == 0).double().mean()) < 0.6
    assert torch.equal(dropped(x.contiguous(memory_format=torch.channels_last)), expected)
    assert torch.equal(dropped(x.transpose(2, 3).contiguous().transpose(2, 3)), expected)
    with forward_ad.dual_level():
        value, tangent = forward_ad.unpack_dual(dropped(forward_ad.make_dual(x, torch.ones_like(x))))
    assert torch.equal(value, expected) and torch.equal(tangent != 0, expected != 0)
    torch.testing.assert_close(expected[expected != 0], x[expected != 0] / 0.6)
    assert dropout.eval()(x) is x


@pytest.mark.parametrize("model", ["deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50"])
def test_forward_and_reverse_mode_see_one_network(model):
    """<w, derivative of log q along v> by forward mode, <gradient of <w, log q>, v> by reverse mode: equal numbers."""
    student = build_network(StudentSettings(model=model), 3, 0, ALONE).double()
    assert any(isinstance(part, SeededDropout) for part in student.modules())
    assert not any(type(part) is nn.Dropout for part in student.modules())
    torch.manual_seed(0)
    images = torch.randn(2, 3, 32, 32).double()
    weights = {name: p.detach() for name, p in student.named_parameters()}
    vector = {name: torch.randn_like(p) * p.abs().mean() for name, p in weights.items()}

    def log_probabilities(parameters):
        with fixed_noise(3, CPU):
            return call_without_side_effects(student, parameters, images)["out"].log_softmax(1)

    derivative = jvp(log_probabilities, weights, vector)
    factor = torch.randn_like(derivative)
    _, gradient = loss_gradient(lambda p: (factor * log_probabilities(p)).sum(), weights, ALONE)
    along = sum(float((gradient[name] * vector[name]).sum()) for name in vector)
    assert float((factor * derivative).sum()) == pytest.approx(along, rel=1e-8)
