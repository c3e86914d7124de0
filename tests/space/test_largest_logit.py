"""The class of each pixel is that of argmax, ties and NaN included."""

import pytest
import torch

from lbt.space.largest_logit import largest_logit


@pytest.mark.parametrize("shape", [(2, 11, 7, 5), (1, 19, 16, 32), (3, 2, 1, 1), (1, 1, 4, 4), (1, 200, 3, 3)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_class_is_the_first_of_the_largest_logits(shape, layout, dtype):
    logits = torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    logits[0, :, 0, 0] = torch.nan if shape[1] > 2 else 0
    found = largest_logit(logits.contiguous(memory_format=layout))
    assert found.dtype == torch.int64 and torch.equal(found, logits.argmax(dim=1))
