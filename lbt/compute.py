"""The device and the threads of a job."""

from __future__ import annotations

import torch

from lbt.config import ComputeSettings
from lbt.errors import LbtError


def prepare_device(compute: ComputeSettings) -> torch.device:
    """Set the number of threads and cuDNN's deterministic kernels, and return the device to run on.

    Raises:
        LbtError: `device: cuda` where PyTorch finds no GPU.
    """
    torch.set_num_threads(compute.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if compute.device == "cuda" and not torch.cuda.is_available():
        raise LbtError("compute.device: cuda is set, but PyTorch finds no GPU here. Write `auto` or `cpu`.")
    if compute.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(compute.device)
