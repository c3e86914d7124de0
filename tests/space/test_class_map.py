"""Classes without the logits of most pixels are those of the enlarged logits."""

import pytest
import torch

from lbt.space.class_map import class_map
from lbt.space.largest_logit import largest_logit
from lbt.space.padding import upsample


def smooth(shape, scale, seed=0):
    """Logits whose largest class changes every `scale` pixels or so."""
    batch, classes, height, width = shape
    few = torch.randn(batch, classes, height // scale + 1, width // scale + 1, generator=torch.manual_seed(seed))
    return torch.nn.functional.interpolate(few, size=(height, width), mode="bicubic") * 4


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("scale", [1, 3, 8, 100])
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 11, 12, 20), (96, 160)),
        ((2, 19, 13, 9), (97, 66)),
        ((3, 2, 4, 4), (32, 32)),
        ((2, 5, 4, 6), (61, 95)),
        ((1, 4, 2, 3), (35, 96)),
        ((1, 3, 40, 50), (40, 50)),
        ((2, 3, 20, 25), (39, 50)),
        ((1, 256, 4, 4), (29, 32)),
    ],
)
def test_classes_are_those_of_the_enlarged_logits(shape, size, scale, layout):
    logits = smooth(shape, scale)
    found = class_map(logits.contiguous(memory_format=layout), size)
    enlarged = upsample(logits.double(), size)
    assert found.dtype == torch.uint8 and found.shape == (shape[0], *size)
    differ = found != largest_logit(enlarged)
    best = enlarged.topk(2, dim=1).values
    assert ((best[:, 0] - best[:, 1])[differ] < 1e-5).all()  # rounding
    assert differ.float().mean() < 1e-3


@pytest.mark.parametrize("together", [1, 300, 2**30])
def test_the_number_of_pixels_computed_together_does_not_matter(monkeypatch, together):
    logits, size = smooth((2, 7, 16, 12), 3), (128, 96)
    expected = class_map(logits, size)
    monkeypatch.setattr("lbt.space.class_map._CACHED", together)
    assert torch.equal(class_map(logits, size), expected)


def test_of_equal_classes_the_first_one_counts():
    logits = torch.zeros(1, 4, 4, 4)
    assert not class_map(logits, (32, 32)).any()
    logits[:, 2:] = 1
    assert (class_map(logits, (32, 32)) == 2).all()


def test_float64_is_not_rounded():
    logits, size = 1 + 1e-9 * smooth((1, 11, 12, 20), 3).double(), (96, 160)
    found = class_map(logits, size)
    assert len(found.unique()) > 2 and torch.equal(found, largest_logit(upsample(logits, size)).to(torch.uint8))


def test_bfloat16_is_interpolated_in_float32():
    logits = smooth((1, 11, 12, 20), 3).bfloat16()
    assert torch.equal(class_map(logits, (96, 160)), class_map(logits.float(), (96, 160)))


def test_sizes_of_no_stride_are_refused():
    with pytest.raises(ValueError, match="no stride"):
        class_map(torch.zeros(1, 2, 4, 4), (32, 50))
