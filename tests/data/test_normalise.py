"""Normalisation against the formula and against torchvision."""

import pytest
import torch
from torchvision.transforms.v2 import functional as transforms

from lbt.data.normalise import normalise

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
IMAGE = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_the_formula():
    mean, std = (torch.tensor(values).double().view(3, 1, 1) for values in (MEAN, STD))
    found = normalise(IMAGE, MEAN, STD)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), (IMAGE.double() / 255 - mean) / std, rtol=0, atol=1e-6)


@pytest.mark.parametrize("image", [IMAGE, IMAGE / 255, IMAGE[0]], ids=["uint8", "float", "one image"])
def test_it_equals_torchvision_bit_by_bit(image):
    found = normalise(image, MEAN, STD)
    scaled = transforms.to_dtype(image.as_subclass(torch.Tensor), torch.float32, scale=True)
    assert type(found) is torch.Tensor
    assert torch.equal(found, transforms.normalize(scaled, list(MEAN), list(STD)))
