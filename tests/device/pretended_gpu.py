"""A pretended GPU: CPU tensors that are tagged as those of `cuda:0`, so that a machine without a GPU tests its use.

A tag belongs to the memory of a tensor. A TorchFunctionMode (`pretended_tensors`) answers what Python asks of a tagged
tensor: `.device`, `.to(...)`, `.cpu()`, `.numpy()`, factories. A TorchDispatchMode (`pretended_kernels`) sees every
kernel, forward, backward and in forward derivatives, and hands the tags on. A kernel that mixes CPU and GPU raises an
error. Kernels launched, waits of the host and copies are counted.

What it cannot show: kernels that PyTorch lacks on a GPU, numbers, NCCL, memory. In forward derivatives, PyTorch makes
tangents of zeros on the real device, so a CPU tensor is accepted there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from pretended_kernels import Kernels
from pretended_memory import CUDA, PretendedGpu, package_line
from pretended_tensors import Questions
from torch import Tensor
from torch.optim import Optimizer


@contextmanager
def pretended_gpu() -> Iterator[PretendedGpu]:
    """In the block this process has one GPU, on which PyTorch's default generator of the CPU draws."""
    gpu = PretendedGpu()

    def groups(lists: list[list[Tensor]], with_indices: bool = False) -> dict[Any, Any]:
        found = original_groups(lists, with_indices)
        on_gpu = any(gpu.holds(tensor) for tensor in lists[0][:1])
        return {((CUDA if on_gpu else device), dtype): value for (device, dtype), value in found.items()}

    def run_backward(*arguments: Any, **keywords: Any) -> Any:
        with Questions(gpu):  # `torch.autograd.grad` itself runs without the mode that is asked about it
            try:
                return original_backward(*arguments, **keywords)
            finally:
                gpu.dual_graph = False

    original_backward = torch.autograd._engine_run_backward
    original_groups = torch.utils._foreach_utils._group_tensors_by_device_and_dtype
    properties = SimpleNamespace(
        name="Pretended GPU", major=9, minor=0, multi_processor_count=132, total_memory=80 << 30
    )
    answers = {
        "is_available": lambda: True,
        "is_current_stream_capturing": lambda: False,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "synchronize": lambda *_: gpu.waits.update([("synchronize", package_line())]),
        "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda *_: None,
        "reset_peak_memory_stats": lambda *_: None,
        "max_memory_allocated": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "get_device_name": lambda *_: properties.name,
        "get_device_properties": lambda *_: properties,
    }
    with ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(patch.object(torch.cuda, name, answer))
        stream = SimpleNamespace(is_capturing=lambda: False)
        stack.enter_context(patch.object(torch.accelerator, "current_stream", lambda *_: stream))
        stack.enter_context(patch.object(torch.accelerator, "current_device_index", lambda *_: 0))
        for place in ("torch.utils._foreach_utils", "torch.nn.utils.clip_grad"):
            stack.enter_context(patch(f"{place}._group_tensors_by_device_and_dtype", groups))
        stack.enter_context(patch.object(Optimizer, "_group_tensors_by_device_and_dtype", staticmethod(groups)))
        stack.enter_context(patch.object(torch.autograd, "_engine_run_backward", run_backward))
        stack.enter_context(Questions(gpu))
        stack.enter_context(Kernels(gpu))
        yield gpu
