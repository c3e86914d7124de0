"""How a job computes: device, threads, precision and repeatability; and how numbers come to the device and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from lbt.config import ComputeDevice, ComputeKernels
from lbt.errors import LbtError

# oneDNN compiles a kernel for each shape of a convolution and keeps 1024 of them. A supernet's pass at new widths needs
# up to that many new ones. With the default, each pass would compile all of them again (a quarter of its time at L=16).
KERNELS = "8192"
# cuBLAS repeats its results bit by bit only with a workspace of a fixed size.
WORKSPACE = ":4096:8"


def prepare_device(compute: ComputeDevice) -> torch.device:
    """Set threads, float32 without TF32, repeatable kernels and oneDNN's cache, and return the device to run on.

    Args:
        compute: the settings. Those of a stage that measures time have no key `deterministic`; its kernels may be
            others each time.

    Raises:
        LbtError: `device: cuda` where PyTorch finds no GPU.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS)  # read at the process's first convolution
    torch.set_num_threads(compute.threads)
    _allow_tf32(False)
    if compute.device == "cuda" and not torch.cuda.is_available():
        raise LbtError("compute.device: cuda is set, but PyTorch finds no GPU here. Write `auto` or `cpu`.")
    kind = ("cuda" if torch.cuda.is_available() else "cpu") if compute.device == "auto" else compute.device
    # The kernels that a supernet needs on a CPU repeat their results without these switches.
    _repeat_bits(kind == "cuda" and isinstance(compute, ComputeKernels) and compute.deterministic)
    return torch.device(kind)


@dataclass(frozen=True)
class Precision:
    """The number format in which weights learn and networks predict; see `compute.precision`.

    It holds inside the blocks of `applied` only. Everything else is true float32, because the architecture's gradient
    is: TF32 changes its second-order part by 16 % and bfloat16 by 49 %.

    Attributes:
        name: the format, one of `compute.precision`.
        device: `cpu` or `cuda`, where the networks are.
    """

    name: str = "float32"
    device: str = "cpu"

    @contextmanager
    def applied(self) -> Iterator[Callable[..., Any]]:
        """Allow the format in the block, for forward and backward passes.

        Yields:
            `forward(network, *inputs)`, which calls the network in this format and returns its tensors as float32. So
            losses and softmax are float32, and so are BatchNorm statistics in the network. Backward passes use the
            formats of their forward passes.
        """
        if self.name == "bfloat16":
            yield self._autocast
        elif self.name == "tf32":
            _allow_tf32(True)
            try:
                yield _call
            finally:
                _allow_tf32(False)
        else:
            yield _call

    def _autocast(self, network: Callable[..., Any], *inputs: Any) -> Any:
        # Not around the loss: autocast keeps rounded copies of the weights until the block ends, and it would round
        # the products of a loss.
        with torch.autocast(self.device, dtype=torch.bfloat16):
            return _to_float32(network(*inputs))


FLOAT32 = Precision()
"""The format of everything that no setting changes."""


def _call(network: Callable[..., Any], *inputs: Any) -> Any:
    return network(*inputs)


def _to_float32(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return {key: _to_float32(item) for key, item in value.items()}
    return tuple(map(_to_float32, value))


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = allowed  # PyTorch's default is True
    torch.backends.cuda.matmul.allow_tf32 = allowed


def _repeat_bits(wanted: bool) -> None:
    """Use only kernels on a GPU that repeat their results; PyTorch raises an error where there is none."""
    torch.backends.cudnn.benchmark = False  # which kernel is fastest is not the same in every run
    torch.backends.cudnn.deterministic = wanted
    if wanted != torch.are_deterministic_algorithms_enabled():  # the switch imports PyTorch's compiler
        torch.use_deterministic_algorithms(wanted)
    if wanted:
        # It would cost time, and no result here depends on it. The attribute is a property of the module.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE)  # read at the process's first matrix product


def describe_devices(compute: ComputeDevice, count: int) -> list[dict[str, str]]:
    """Name and UUID of the first `count` GPUs that this process sees, or the name of the processor."""
    if compute.device == "cpu" or not torch.cuda.is_available():
        return [{"name": device_name(torch.device("cpu"))}]
    found = [torch.cuda.get_device_properties(index) for index in range(min(count, torch.cuda.device_count()))]
    return [{"name": each.name, "uuid": f"GPU-{each.uuid}"} for each in found]


def device_name(device: torch.device) -> str:
    """Name of the GPU, or of the processor and the vector instructions that PyTorch uses on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else 'CPU'} ({torch.backends.cpu.get_cpu_capability()})"


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
