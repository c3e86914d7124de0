import pytest
import torch

from lbt.space.padding import crop_logits, feature_size, pad_images


@pytest.mark.parametrize("size", [(32, 32), (33, 64), (127, 97)])
def test_padding_is_at_the_bottom_and_right(size):
    images = torch.randn(2, 3, *size)
    padded = pad_images(images)
    assert padded.shape[-2] % 32 == padded.shape[-1] % 32 == 0
    assert padded.shape[-2] - size[0] < 32 and padded.shape[-1] - size[1] < 32
    assert torch.equal(padded[..., : size[0], : size[1]], images)
    assert padded.abs().sum() == pytest.approx(float(images.abs().sum()), rel=1e-5)
    for scale in (8, 16, 32):
        assert feature_size(size, scale) == (padded.shape[-2] // scale, padded.shape[-1] // scale)


def test_crop_drops_the_logits_that_cover_only_padding():
    assert crop_logits(torch.zeros(1, 2, 8, 12), (41, 89), 8).shape == (1, 2, 6, 12)
