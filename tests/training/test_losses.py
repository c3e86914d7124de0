import math

import pytest
import torch
import torch.nn.functional as F
from torch.func import jvp

from lbt.data.classes import IGNORE
from lbt.runtime.distributed import ALONE
from lbt.space.padding import upsample
from lbt.training.losses import distillation_loss, ohem_cross_entropy, supernet_loss


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(4)
    logits = 2 * torch.randn(2, 5, 12, 10, generator=g, dtype=torch.double)
    labels = torch.randint(5, (2, 12, 10), generator=g)
    labels[torch.rand(labels.shape, generator=g) < 0.2] = IGNORE
    return logits, labels


def brute_force(logits, labels, threshold, fraction):
    """Pixel by pixel, with sorting."""
    losses = []
    for b in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                if labels[b, y, x] != IGNORE:
                    losses.append(-float(logits[b, :, y, x].log_softmax(0)[labels[b, y, x]]))
    losses.sort(reverse=True)
    kept = max(sum(math.exp(-loss) < threshold for loss in losses), int(len(losses) * fraction))
    return sum(losses[:kept]) / max(kept, 1)


@pytest.mark.parametrize("threshold", [0.0, 0.05, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("fraction", [0.0, 1 / 16, 0.5, 1.0])
def test_ohem_against_brute_force(batch, threshold, fraction):
    found = ohem_cross_entropy(*batch, ALONE, threshold, fraction)
    assert float(found) == pytest.approx(brute_force(*batch, threshold, fraction), rel=1e-10)


def test_ohem_that_keeps_all_is_cross_entropy(batch):
    torch.testing.assert_close(ohem_cross_entropy(*batch, ALONE, 1.0), F.cross_entropy(*batch, ignore_index=IGNORE))


def test_ohem_has_no_gradient_at_easy_and_ignored_pixels(batch):
    logits, labels = batch
    logits.requires_grad_()
    ohem_cross_entropy(logits, labels, ALONE, 0.5, 0).backward()
    probability = logits.detach().softmax(1).gather(1, labels.clamp(max=4)[:, None]).squeeze(1)
    hard = (labels != IGNORE) & (probability < 0.5)
    assert torch.equal(logits.grad.abs().sum(1) > 0, hard)


def test_without_a_valid_pixel_the_loss_is_zero_and_differentiable(batch):
    logits = batch[0].requires_grad_()
    nothing = torch.full_like(batch[1], IGNORE)
    for loss in (
        ohem_cross_entropy(logits, nothing, ALONE),
        supernet_loss([logits, logits], nothing, ALONE),
    ):
        assert float(loss.detach()) == 0
        (gradient,) = torch.autograd.grad(loss, logits)
        assert gradient.abs().max() == 0


def test_nan_logits_are_not_hidden(batch):
    logits, labels = batch
    labels[0, 0, 0] = 1
    logits[0, 0, 0, 0] = torch.nan
    assert math.isnan(ohem_cross_entropy(logits, labels, ALONE))


def test_ohem_has_forward_and_second_derivatives(batch):
    logits, labels = batch
    direction = torch.randn_like(logits)
    _, found = jvp(lambda z: ohem_cross_entropy(z, labels, ALONE), (logits,), (direction,))
    h = 1e-6
    difference = ohem_cross_entropy(logits + h * direction, labels, ALONE) - ohem_cross_entropy(
        logits - h * direction, labels, ALONE
    )
    assert float(found) == pytest.approx(float(difference) / (2 * h), rel=1e-6)
    assert torch.autograd.gradgradcheck(
        lambda z: ohem_cross_entropy(z, labels[:1, :2, :2], ALONE), logits[:1, :, :2, :2].clone().requires_grad_()
    )


def test_supernet_loss_is_the_sum_over_the_outputs(batch):
    _, labels = batch
    outputs = [torch.randn(2, 5, 12, 10), torch.randn(2, 5, 6, 5), torch.randn(2, 5, 2, 2)]
    parts = [ohem_cross_entropy(upsample(o, (12, 10)), labels, ALONE) for o in outputs]
    torch.testing.assert_close(supernet_loss(outputs, labels, ALONE), parts[0] + parts[1] + parts[2])
    assert torch.equal(supernet_loss(outputs[:1], labels, ALONE), parts[0])


@pytest.mark.parametrize("stride", [1, 8, 16, 32])
@pytest.mark.parametrize("size", [(64, 96), (32, 32)])
def test_upsample_of_whole_strides_is_plain_interpolation(stride, size):
    logits = torch.randn(2, 3, size[0] // stride, size[1] // stride)
    expected = F.interpolate(logits, size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(upsample(logits, size), expected)


def test_upsample_puts_logits_on_their_own_pixels():
    """Logits that are linear in the centre of their 8 x 8 pixels become linear in the pixel's position."""
    centres = torch.arange(6) * 8 + 3.5
    found = upsample(centres.expand(1, 1, 6, 6), (41, 45))
    assert found.shape == (1, 1, 41, 45)
    torch.testing.assert_close(found[0, 0, 20, 4:44], torch.arange(4.0, 44.0))


@pytest.mark.parametrize(("rows", "columns", "size"), [(5, 8, (64, 64)), (9, 8, (64, 64)), (8, 8, (4, 4))])
def test_upsample_refuses_sizes_of_no_stride(rows, columns, size):
    with pytest.raises(ValueError, match=f"{rows} x {columns}"):
        upsample(torch.zeros(1, 2, rows, columns), size)


def test_distillation_loss_against_torch_and_a_loop(batch):
    logits, labels = batch
    guide = torch.randn(logits.shape, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    q, p = logits.softmax(1), guide.softmax(1)
    found = distillation_loss(logits, guide, ALONE)
    summed = F.kl_div(q.log(), p, reduction="batchmean")  # over the images alone
    torch.testing.assert_close(found, summed / (logits.shape[-2] * logits.shape[-1]))
    total = 0.0
    for b in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                for c in range(logits.shape[1]):
                    total += float(p[b, c, y, x]) * math.log(float(p[b, c, y, x]) / float(q[b, c, y, x]))
    assert float(found) == pytest.approx(total / labels.numel(), rel=1e-10)


def test_distillation_loss_is_least_if_both_agree(batch):
    logits = batch[0].requires_grad_()
    same = distillation_loss(logits, logits.detach() + 3.0, ALONE)  # logits count up to a constant
    assert float(same.detach()) == pytest.approx(0, abs=1e-12)
    (gradient,) = torch.autograd.grad(same, logits)
    assert gradient.abs().max() < 1e-12
    certain = torch.zeros_like(logits)
    certain[:, 0] = 1e4  # probabilities of exactly 0
    assert torch.isfinite(distillation_loss(logits, certain, ALONE)) and torch.isfinite(
        distillation_loss(certain, certain, ALONE)
    )
