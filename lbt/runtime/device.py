"""The device and the threads of a job, and how numbers come to the device and back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from lbt.config import ComputeDevice
from lbt.errors import LbtError

# oneDNN compiles a kernel for each shape of a convolution and keeps 1024 of them. A supernet's pass at new widths needs
# up to that many new ones. With the default, each pass would compile all of them again (a quarter of its time at L=16).
KERNELS = "8192"


def prepare_device(compute: ComputeDevice) -> torch.device:
    """Set threads, deterministic kernels and the size of oneDNN's cache, and return the device to run on.

    Raises:
        LbtError: `device: cuda` where PyTorch finds no GPU.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)  # read at the process's first convolution
    torch.set_num_threads(compute.threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if compute.device == "cuda" and not torch.cuda.is_available():
        raise LbtError("compute.device: cuda is set, but PyTorch finds no GPU here. Write `auto` or `cpu`.")
    if compute.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(compute.device)


def check_gpus(key: str, count: int, device: str) -> str:
    """The kind of device, `cuda` or `cpu`, on which `count` processes run.

    Args:
        key: the setting that holds `count`, for the message.
        count: number of processes.
        device: `compute.device`; any number of processes can share the CPU.

    Raises:
        LbtError: this machine has fewer GPUs.
    """
    if device == "cpu":
        return "cpu"
    present = torch.cuda.device_count()
    if present < count:
        raise LbtError(
            f"{key}: {count} GPUs are wanted, this machine (or the part of it that the job may use) has {present}. "
            "Lower it, ask the cluster for more, or write `compute.device: cpu`: the processes then share the CPU."
        )
    return "cuda"


class _Upload(torch.autograd.Function):
    @staticmethod
    def forward(values: Tensor, device: torch.device) -> Tensor:
        return values.pin_memory().to(device, non_blocking=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, torch.device], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.cpu(), None


def upload(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device, differentiable. The host waits for its gradient only."""
    return values if values.device == device else _Upload.apply(values, device)


Name = TypeVar("Name")


def fetch(values: Mapping[Name, Tensor | float]) -> dict[Name, float]:
    """Single numbers of the device and of the host, all as numbers of the host; it waits for the device once."""
    tensors = {name: value.detach().double() for name, value in values.items() if isinstance(value, Tensor)}
    found = iter(torch.stack(list(tensors.values())).tolist() if tensors else [])
    return {name: next(found) if isinstance(value, Tensor) else value for name, value in values.items()}


@torch.no_grad()
def copy_many_(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Copy tensors of the same shapes and types in place, many in a launch; PyTorch does so for one type at a time."""
    for dtype in dict.fromkeys(target.dtype for target in targets):
        places = [place for place, target in enumerate(targets) if target.dtype == dtype]
        torch._foreach_copy_([targets[place] for place in places], [sources[place] for place in places])


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for products of bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "arm_sve_bf16"))
