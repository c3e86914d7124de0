"""Augmentation: image and targets move together, and all values stay valid."""

import pytest
import torch
from torchvision import tv_tensors

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.augment import augment
from lbt.data.classes import IGNORE

PLAIN = DataSettings(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
STILL = AugmentationSettings(scale=(1.0, 1.0), flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0)


def coordinates(height: int, width: int) -> tuple[tv_tensors.Image, tv_tensors.Mask, torch.Tensor]:
    """An image whose red is the column, and a mask and a soft target with the same values."""
    column = torch.arange(width, dtype=torch.uint8).expand(height, width)
    row = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    image = tv_tensors.Image(torch.stack([column, row, column]))
    return image, tv_tensors.Mask(column.clone()), torch.stack([column, row]).to(torch.float16)


def change(item, settings, crop, seed, data=PLAIN):
    return augment(item, settings=settings, data=data, crop=crop, generator=torch.Generator().manual_seed(seed))


def test_nothing_changes_without_randomness():
    item = coordinates(40, 60)
    image, mask, soft = change(item, STILL, (40, 60), seed=0)
    torch.testing.assert_close(image * 255, item[0].float(), rtol=0, atol=1e-4)
    assert torch.equal(mask, item[1]) and torch.equal(soft, item[2].float())


@pytest.mark.parametrize("seed", range(12))
def test_image_mask_and_soft_target_move_together(seed):
    settings = STILL.model_copy(update={"scale": (0.8, 2.0), "flip": 0.5})
    image, mask, soft = change(coordinates(90, 120), settings, (64, 96), seed)
    valid = mask != IGNORE
    assert valid.float().mean() > 0.6
    # Away from the edges a linear ramp stays linear, so the three agree up to the rounding of the nearest neighbour.
    columns = image[0] * 255
    assert (columns - mask).abs()[valid].max() < 1.3
    assert (columns - soft[0]).abs()[valid].max() < 0.6
    assert ((columns - mask)[valid].mean()).abs() < 0.2


def test_crops_have_every_offset_and_flips_occur():
    settings = STILL.model_copy(update={"flip": 0.5})
    first = set()
    for seed in range(200):
        _, mask = change(coordinates(34, 36)[:2], settings, (32, 32), seed)
        first.add((int(mask[0, 0]), int(mask[0, -1])))
    assert first == {(left, left + 31) for left in range(5)} | {(left + 31, left) for left in range(5)}


def test_a_small_image_is_padded():
    data = DataSettings()
    image, mask, soft = change(coordinates(20, 24), STILL, (32, 48), seed=1, data=data)
    assert image.shape == (3, 32, 48) and mask.shape == (32, 48) and soft.shape == (2, 32, 48)
    assert (mask[20:] == IGNORE).all() and (mask[:, 24:] == IGNORE).all() and (mask[:20, :24] != IGNORE).all()
    for padded in (image, soft):
        assert (padded[:, 20:] == 0).all() and (padded[:, :, 24:] == 0).all()


def test_soft_targets_of_lower_resolution_stay_probabilities():
    image = tv_tensors.Image(torch.zeros(3, 64, 96, dtype=torch.uint8))
    soft = torch.rand(5, 8, 12, generator=torch.Generator().manual_seed(0)).softmax(dim=0).to(torch.float16)
    _, placed = change((image, soft), STILL.model_copy(update={"scale": (1.5, 2.0)}), (64, 64), seed=4)
    torch.testing.assert_close(placed.sum(dim=0), torch.ones(64, 64), rtol=0, atol=2e-3)


@pytest.mark.parametrize("scale", [1.0, 0.5, 1.7])
def test_soft_targets_of_a_stride_stay_on_their_pixels(scale):
    """If a side is not a multiple of the stride: 61 rows have 8 of stride 8, which cover 64."""
    height, width = 61, 245
    centres = [8 * torch.arange(-(-side // 8)) + 3.5 for side in (height, width)]  # in pixels of the image
    soft = torch.stack(torch.meshgrid(*centres, indexing="ij"))
    settings, crop = STILL.model_copy(update={"scale": (scale, scale)}), (round(scale * height), round(scale * width))
    _, placed = change((tv_tensors.Image(torch.zeros(3, height, width, dtype=torch.uint8)), soft), settings, crop, 0)
    for found, side, new in ((placed[0].mean(dim=1), height, crop[0]), (placed[1].mean(dim=0), width, crop[1])):
        expected = (torch.arange(new) + 0.5) * side / new - 0.5
        inner = round(4 * scale) + 1  # the outer half of a stride repeats the last value
        # in pixels of the result, whose sizes are rounded to whole pixels
        assert ((found - expected) * scale)[inner:-inner].abs().max() < 0.6


def test_a_mask_keeps_its_values():
    mask = tv_tensors.Mask(torch.tensor([0, 9, IGNORE], dtype=torch.uint8).repeat(48, 16))
    image = tv_tensors.Image(torch.zeros(3, 48, 48, dtype=torch.uint8))
    for seed in range(5):
        _, placed = change((image, mask), AugmentationSettings(), (40, 40), seed)
        assert set(placed.unique().tolist()) <= {0, 9, IGNORE}


def test_jitter_stays_within_its_bounds():
    grey = tv_tensors.Image(torch.full((3, 32, 32), 100, dtype=torch.uint8))
    settings = STILL.model_copy(update={"brightness": 0.2, "contrast": 0.5, "saturation": 0.5})
    values = torch.stack([change((grey,), settings, (32, 32), seed)[0].mean() * 255 for seed in range(60)])
    assert values.min() > 79.9 and values.max() < 120.1 and values.max() - values.min() > 30


def test_threads_do_not_matter():
    image = tv_tensors.Image(torch.randint(0, 256, (3, 256, 512), dtype=torch.uint8))
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        results.append(change((image,), AugmentationSettings(), (256, 512), seed=5)[0])
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])
