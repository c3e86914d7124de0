"""Augmentation: image and targets move together, and all values stay valid."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as transforms

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.augment import augment, recolor, resize_image, resize_mask, resize_soft_labels
from lbt.data.classes import IGNORE
from lbt.data.normalise import normalise

PLAIN = DataSettings(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
STILL = AugmentationSettings(scale=(1.0, 1.0), flip=0.0, brightness=0.0, contrast=0.0, saturation=0.0)


def coordinates(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """An image whose red is the column, and a mask and a soft target with the same values."""
    column = torch.arange(width, dtype=torch.uint8).expand(height, width)
    row = torch.arange(height, dtype=torch.uint8)[:, None].expand(height, width)
    return torch.stack([column, row, column]), column.clone(), torch.stack([column, row]).to(torch.float16)


def change(item, settings, crop, seed, data=PLAIN):
    jitter, (image, *targets) = augment(
        item, settings=settings, crop=crop, generator=torch.Generator().manual_seed(seed)
    )
    return recolor(image[None], [jitter], data)[0], *targets


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
    image = torch.zeros(3, 64, 96, dtype=torch.uint8)
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
    _, placed = change((torch.zeros(3, height, width, dtype=torch.uint8), soft), settings, crop, 0)
    for found, side, new in ((placed[0].mean(dim=1), height, crop[0]), (placed[1].mean(dim=0), width, crop[1])):
        expected = (torch.arange(new) + 0.5) * side / new - 0.5
        inner = round(4 * scale) + 1  # the outer half of a stride repeats the last value
        # in pixels of the result, whose sizes are rounded to whole pixels
        assert ((found - expected) * scale)[inner:-inner].abs().max() < 0.6


def test_a_mask_keeps_its_values():
    mask = torch.tensor([0, 9, IGNORE], dtype=torch.uint8).repeat(48, 16)
    image = torch.zeros(3, 48, 48, dtype=torch.uint8)
    for seed in range(5):
        _, placed = change((image, mask), AugmentationSettings(), (40, 40), seed)
        assert set(placed.unique().tolist()) <= {0, 9, IGNORE}


def test_jitter_stays_within_its_bounds():
    grey = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    settings = STILL.model_copy(update={"brightness": 0.2, "contrast": 0.5, "saturation": 0.5})
    values = torch.stack([change((grey,), settings, (32, 32), seed)[0].mean() * 255 for seed in range(60)])
    assert values.min() > 79.9 and values.max() < 120.1 and values.max() - values.min() > 30


def test_threads_do_not_matter():
    image = torch.randint(0, 256, (3, 256, 512), dtype=torch.uint8)
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        results.append(change((image,), AugmentationSettings(), (256, 512), seed=5)[0])
    torch.set_num_threads(before)
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


def draw(*shape: int) -> torch.Tensor:
    """An image or mask of random values; neighbours of an image are alike, as in a photograph."""
    source = torch.Generator().manual_seed(sum(shape))
    if len(shape) == 2:
        return torch.randint(0, 19, shape, generator=source, dtype=torch.uint8)
    noise = torch.rand(1, 3, *(side // 3 + 2 for side in shape[1:]), generator=source)
    return (F.interpolate(noise, size=shape[1:], mode="bicubic").clamp(0, 1)[0] * 255).to(torch.uint8)


WINDOWS = [  # size before and after, and the window
    ((90, 120), (90, 120), (7, 11, 64, 96)),
    ((90, 120), (180, 240), (116, 144, 64, 96)),
    ((90, 120), (131, 175), (40, 0, 64, 96)),
    ((90, 120), (67, 89), (3, 20, 64, 69)),
    ((91, 123), (46, 61), (0, 0, 46, 61)),
    ((91, 123), (23, 31), (5, 6, 18, 25)),
    ((360, 480), (611, 815), (201, 333, 320, 448)),
]


@pytest.mark.parametrize(("old", "new", "window"), WINDOWS)
@pytest.mark.parametrize("pixelwise", [True, False])
def test_a_window_of_an_image_is_that_of_the_whole_resized_image(old, new, window, pixelwise):
    """Both with the strides of a decoder and with three planes."""
    image = draw(3, *old)
    stored = image.permute(1, 2, 0).contiguous().permute(2, 0, 1) if pixelwise else image
    whole = transforms.resize(image, list(new), antialias=True)
    found = resize_image(stored, new, window).int()
    # PyTorch rounds the weights to 16 bits by the largest of them, which may lie outside of the window.
    assert ((found - transforms.crop(whole, *window).int()).abs() <= 1).all()
    assert (found == transforms.crop(whole, *window).int()).float().mean() > 0.999


@pytest.mark.parametrize(("old", "new", "window"), WINDOWS)
def test_a_window_of_a_mask_is_that_of_the_whole_resized_mask(old, new, window):
    mask = draw(*old)
    whole = F.interpolate(mask[None, None], size=new, mode="nearest-exact")[0]
    pixels = range(window[0], window[0] + window[2]), range(window[1], window[1] + window[3])
    assert torch.equal(resize_mask(mask, new, pixels), transforms.crop(whole, *window)[0])


@pytest.mark.parametrize("old", [37, 128, 360, 1024])
def test_rows_of_a_mask_are_those_of_pytorch_at_every_size(old):
    rows = torch.arange(old).remainder(251).to(torch.uint8)[:, None]
    for new in range(old // 4, 2 * old + 2):
        expected = F.interpolate(rows[None, None], size=(new, 1), mode="nearest-exact")[0, 0]
        assert torch.equal(resize_mask(rows, (new, 1), (range(new), range(1))), expected), new


@pytest.mark.parametrize(("old", "new", "window"), WINDOWS)
@pytest.mark.parametrize("stride", [1, 8])
def test_a_window_of_soft_labels_is_that_of_the_whole_resized_labels(old, new, window, stride):
    soft = torch.rand(5, *(-(-side // stride) for side in old), generator=torch.Generator().manual_seed(1)).softmax(0)
    whole = F.interpolate(soft[None].double(), size=new, mode="bilinear", antialias=True)[0]
    pixels = range(window[0], window[0] + window[2]), range(window[1], window[1] + window[3])
    found = resize_soft_labels(soft, new, pixels)
    torch.testing.assert_close(found.double(), transforms.crop(whole, *window), rtol=0, atol=1e-6)
    mirrored = resize_soft_labels(soft, new, (pixels[0], pixels[1][::-1]))
    assert torch.equal(mirrored, found.flip(-1))


def plain(item, settings, crop, seed, data):
    """The augmentation step by step, each over all pixels of the whole resized image, with torchvision."""
    values = torch.rand(7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).tolist()
    image, mask = item
    scale = settings.scale[0] + (settings.scale[1] - settings.scale[0]) * values[0]
    size = [round(side * scale) for side in mask.shape]
    top, left = (int(values[1 + axis] * (max(0, size[axis] - crop[axis]) + 1)) for axis in (0, 1))
    window = [top, left, min(crop[0], size[0]), min(crop[1], size[1])]
    image = transforms.crop(transforms.resize(image, size, antialias=True), *window)
    mask = transforms.crop(F.interpolate(mask[None, None], size=size, mode="nearest-exact")[0], *window)
    if values[3] < settings.flip:
        image, mask = transforms.horizontal_flip(image), transforms.horizontal_flip(mask)
    extents = settings.brightness, settings.contrast, settings.saturation
    brightness, contrast, saturation = (1 + e * (2 * v - 1) for e, v in zip(extents, values[4:], strict=True))
    mean = transforms.rgb_to_grayscale(image).double().mean().item() / 255
    image = transforms.to_dtype(image, torch.float32, scale=True)
    image = transforms.adjust_brightness((contrast * image + (1 - contrast) * mean).clamp(0, 1), brightness)
    image = normalise(transforms.adjust_saturation(image, saturation), data.mean, data.std)
    padding = [0, 0, crop[1] - window[3], crop[0] - window[2]]
    return transforms.pad(image, padding), transforms.pad(mask, padding, fill=IGNORE)[0]


@pytest.mark.parametrize("seed", range(8))
def test_crops_are_those_of_the_plain_augmentation(seed):
    """Strong jitter, so that values reach black and white; some crops are larger than the resized image."""
    settings = AugmentationSettings(scale=(0.5, 2.0), flip=0.5, brightness=0.6, contrast=0.8, saturation=0.9)
    item, data = (draw(3, 90, 120), draw(90, 120)), DataSettings()
    image, mask = change(item, settings, (96, 110), seed, data)
    expected_image, expected_mask = plain(item, settings, (96, 110), seed, data)
    assert torch.equal(mask, expected_mask)
    apart = (image - expected_image).abs()
    assert (apart < 1e-5).float().mean() > 0.999  # others: a pixel of the resized image that rounds to its neighbour
    assert apart.max() < 0.05


def test_a_batch_is_recolored_as_its_images_are():
    settings = AugmentationSettings(brightness=0.5, contrast=0.5, saturation=0.5)
    jitters, parts = zip(
        *(
            augment((draw(3, 60, 80),), settings=settings, crop=(64, 96), generator=torch.Generator().manual_seed(seed))
            for seed in range(5)
        ),
        strict=True,
    )
    images = torch.stack([image for (image,) in parts])
    assert len({jitter.height for jitter in jitters}) > 1
    found = recolor(images, jitters, DataSettings())
    for i, jitter in enumerate(jitters):
        assert torch.equal(found[i], recolor(images[i : i + 1], [jitter], DataSettings())[0])
