"""The device of a job."""

import pytest
import torch

from lbt.errors import LbtError
from lbt.runtime.device import check_gpus


def test_more_processes_than_gpus_are_refused():
    present = torch.cuda.device_count()
    with pytest.raises(LbtError, match=rf"^search\.gpus: {present + 1} GPUs are wanted, .* has {present}\. Lower it"):
        check_gpus("search.gpus", present + 1, "auto")
    assert check_gpus("search.gpus", present + 1, "cpu") == "cpu"
