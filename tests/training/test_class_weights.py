"""Weights of classes against their closed forms."""

import math
from statistics import median

import pytest
import torch

from lbt.data.class_pixels import ClassPixels
from lbt.training.class_weights import enet_weights, median_frequency_weights

PIXELS, OF_IMAGES = [600, 300, 90, 10, 0], [1000, 750, 1000, 40, 0]
COUNTED = ClassPixels(torch.tensor(PIXELS), torch.tensor(OF_IMAGES))


@pytest.mark.parametrize(("offset", "least", "greatest"), [(1.1, 1.3478, 10.4921), (1.02, 1.4223, 50.4983)])
def test_enet_weights(offset, least, greatest):
    expected = [1 / math.log(offset + pixels / 1000) for pixels in PIXELS]
    torch.testing.assert_close(enet_weights(COUNTED, offset), torch.tensor(expected, dtype=torch.double))
    assert expected[-1] == pytest.approx(greatest, abs=1e-4)
    alone = enet_weights(ClassPixels(torch.tensor([7]), torch.tensor([7])), offset)
    assert float(alone) == pytest.approx(least, abs=1e-4)


def test_median_frequency_weights():
    shares = [pixels / images for pixels, images in zip(PIXELS[:-1], OF_IMAGES[:-1], strict=True)]
    assert sorted(shares) == [0.09, 0.25, 0.4, 0.6]
    expected = [median(shares) / share for share in shares] + [0.0]  # nothing has the weight of an absent class
    assert expected[0] == pytest.approx(0.325 / 0.6)
    torch.testing.assert_close(median_frequency_weights(COUNTED), torch.tensor(expected, dtype=torch.double))


def test_with_an_odd_number_of_classes_one_of_them_has_weight_one():
    counted = ClassPixels(torch.tensor([60, 30, 10]), torch.tensor([100, 100, 100]))
    assert median_frequency_weights(counted).tolist() == pytest.approx([0.5, 1.0, 3.0])
