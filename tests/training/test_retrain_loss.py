"""The loss of a derived network: PyTorch's weighted mean, labels at a head's stride, the sum over the heads."""

import pytest
import torch
import torch.nn.functional as F

from lbt.config import RetrainSettings
from lbt.data.class_pixels import ClassPixels
from lbt.data.classes import IGNORE
from lbt.errors import LbtError
from lbt.runtime.distributed import ALONE
from lbt.space.padding import upsample
from lbt.training.class_weights import enet_weights, median_frequency_weights
from lbt.training.losses import ohem_cross_entropy
from lbt.training.retrain_loss import pixel_loss, retraining_loss, sample_labels, weighted_cross_entropy

COUNTED = ClassPixels(torch.tensor([50, 30, 15, 4, 1]), torch.tensor([100, 100, 80, 40, 100]))


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(4)
    logits = 2 * torch.randn(2, 5, 12, 10, generator=g, dtype=torch.double)
    labels = torch.randint(5, (2, 12, 10), generator=g)
    labels[torch.rand(labels.shape, generator=g) < 0.2] = IGNORE
    return logits, labels


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 2.0, 7.0, 0.1])])
def test_the_mean_is_pytorchs(batch, weights):
    logits, labels = batch
    found = weighted_cross_entropy(logits.requires_grad_(), labels, ALONE, weights)
    expected = F.cross_entropy(logits, labels, None if weights is None else weights.double(), ignore_index=IGNORE)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (found, expected)))


def test_a_weight_counts_a_pixel_several_times(batch):
    """With weight 3, each pixel of class 1 counts as three."""
    logits, labels = batch
    losses, keep = F.cross_entropy(logits, labels, reduction="none", ignore_index=IGNORE), labels != IGNORE
    repeats = torch.where(labels == 1, 3, 1)[keep]
    expected = losses[keep].repeat_interleave(repeats).mean()
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(weighted_cross_entropy(logits, labels, ALONE, weights), expected)


@pytest.mark.parametrize("weights", [None, torch.ones(5)])
def test_without_a_labelled_pixel_the_loss_is_zero_and_differentiable(batch, weights):
    logits, labels = batch[0].requires_grad_(), torch.full_like(batch[1], IGNORE)
    loss = weighted_cross_entropy(logits, labels, ALONE, weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == 0 and gradient.abs().max() == 0


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({"loss": "enet"}, enet_weights(COUNTED, 1.02)),
        ({"loss": "enet", "enet_offset": 1.1}, enet_weights(COUNTED, 1.1)),
        ({"loss": "median_frequency"}, median_frequency_weights(COUNTED)),
        ({"loss": "cross_entropy"}, None),
    ],
    ids=str,
)
def test_a_name_means_its_weights(batch, settings, weights):
    found = pixel_loss(RetrainSettings(**settings), None if weights is None else COUNTED, ALONE)(*batch)
    torch.testing.assert_close(found, F.cross_entropy(*batch, weights, ignore_index=IGNORE))


def test_ohem_is_that_of_the_search(batch):
    loss = pixel_loss(RetrainSettings(loss="ohem"), None, ALONE)
    assert torch.equal(loss(*batch), ohem_cross_entropy(*batch, ALONE))


@pytest.mark.parametrize(("name", "counted"), [("enet", None), ("median_frequency", None), ("ohem", COUNTED)])
def test_counts_that_do_not_fit_the_loss_are_refused(name, counted):
    with pytest.raises(LbtError, match=rf"retrain\.loss is {name}, but .* class_pixels.* enet or median_frequency"):
        pixel_loss(RetrainSettings(loss=name), counted, ALONE)


@pytest.mark.parametrize("stride", [1, 8, 16, 32])
@pytest.mark.parametrize("size", [(64, 96), (61, 97), (33, 32)])
def test_each_logit_gets_the_label_at_the_centre_of_its_pixels(stride, size):
    height, width = size
    labels = torch.arange(2 * height * width).reshape(2, height, width)
    found = sample_labels(labels, (-(-height // stride), -(-width // stride)))
    for i in range(found.shape[1]):
        for j in range(found.shape[2]):
            row, column = min(i * stride + stride // 2, height - 1), min(j * stride + stride // 2, width - 1)
            assert torch.equal(found[:, i, j], labels[:, row, column])


def test_labels_of_logits_without_a_stride_are_refused():
    with pytest.raises(ValueError, match="have no stride"):
        sample_labels(torch.zeros(1, 64, 64, dtype=torch.long), (5, 8))


@pytest.mark.parametrize("upsampled", [False, True])
def test_the_heads_are_summed_with_their_weight(upsampled):
    g = torch.Generator().manual_seed(0)
    labels = torch.randint(5, (2, 64, 96), generator=g)
    outputs = [torch.randn(2, 5, *size, generator=g) for size in ((8, 12), (4, 6), (2, 3))]
    main, *parts = (F.cross_entropy(upsample(logits, (64, 96)), labels) for logits in outputs)
    if not upsampled:
        strides = zip(outputs[1:], (16, 32), strict=True)
        parts = [F.cross_entropy(logits, labels[:, s // 2 :: s, s // 2 :: s]) for logits, s in strides]
    loss = pixel_loss(RetrainSettings(loss="cross_entropy"), None, ALONE)
    found = retraining_loss(outputs, labels, loss, 0.4, upsampled=upsampled)
    torch.testing.assert_close(found, main + 0.4 * sum(parts))
    torch.testing.assert_close(retraining_loss(outputs, labels, loss, 0.0, upsampled=upsampled), main)
