"""The key of a latency table that is measured now: this device and its software."""

from __future__ import annotations

from pathlib import Path

import torch

from lbt.config import LatencyKey
from lbt.latency.deployment import list_providers
from lbt.latency.table import TableKey, settings_key


def current_key(latency: LatencyKey, threads: int, device: torch.device, classes: int) -> TableKey:
    """The key of a measurement on `device` with these settings."""
    settings = settings_key(latency, threads, classes)
    return TableKey(device=_device_name(device), software=_software(latency.backend, device), **settings)


def _device_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor and the vector instructions that PyTorch uses on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else 'CPU'} ({torch.backends.cpu.get_cpu_capability()})"


def _software(backend: str, device: torch.device) -> str:
    if backend == "onnxruntime":
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__} ({list_providers(device)[0]}), torch {torch.__version__}"
    if device.type == "cuda":
        return f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    return f"torch {torch.__version__}"
