"""The key of a latency table that is measured now: this device and its software."""

from __future__ import annotations

import torch

from lbt.config import LatencyKey
from lbt.latency.deployment import list_providers
from lbt.latency.table import TableKey, settings_key
from lbt.runtime.device import device_name


def current_key(latency: LatencyKey, threads: int, device: torch.device, classes: int) -> TableKey:
    """The key of a measurement on `device` with these settings."""
    settings = settings_key(latency, threads, classes)
    return TableKey(device=device_name(device), software=_software(latency.backend, device), **settings)


def _software(backend: str, device: torch.device) -> str:
    if backend == "onnxruntime":
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__} ({list_providers(device)[0]}), torch {torch.__version__}"
    if device.type == "cuda":
        return f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"torch {torch.__version__}"
