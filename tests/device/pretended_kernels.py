"""The kernels on a pretended GPU, as a TorchDispatchMode sees them: their tags and launches; no mix of devices."""

from __future__ import annotations

import sys
from typing import Any

import torch
from kernel_launches import VIEWS, WAITING, launches_of
from pretended_memory import CPU, MixedDevicesError, PretendedGpu, package_line
from pretended_tensors import Move
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_"))
"""Kernels that take an index from the CPU, which PyTorch copies."""


class Kernels(TorchDispatchMode):
    """Tags what kernels return, counts them, and refuses those that get tensors of both devices."""

    def __init__(self, gpu: PretendedGpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gpu, kwargs, name = self.gpu, dict(kwargs or {}), function.overloadpacket.__name__
        tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor) and _is_real(a)]
        tags = [gpu.holds(tensor) for tensor in tensors]
        gpu.dual_graph |= torch.is_grad_enabled() and torch.autograd.forward_ad._current_level >= 0
        device = kwargs.get("device")
        if name == "_to_copy" and not Move.running:  # C++ asks for the real device, which is no move
            device = None
        on_gpu = any(tags) if device is None else torch.device(device).type == "cuda"
        if kwargs.get("device") is not None:
            kwargs["device"] = CPU
        if name == "_to_copy" and on_gpu != tags[0]:
            gpu.count_copy(tensors[0], up=on_gpu, non_blocking=bool(kwargs.get("non_blocking")))
            # A new tensor in any case, because the CPU's kernel may return its input.
            return self._marked(function(*args, **kwargs), [], on_gpu)
        if name in ("copy_", "_foreach_copy_"):
            pairs = list(zip(tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :], strict=True))
            for target, source in pairs:
                if gpu.holds(target) != gpu.holds(source):
                    gpu.count_copy(source, up=gpu.holds(target), non_blocking=bool(kwargs.get("non_blocking")))
            tags = tags[:1]
        elif any(tags) and not all(tags):
            self._refuse_mix(name, [t for t, tag in zip(tensors, tags, strict=True) if not tag])
        result = function(*args, **kwargs)
        if on_gpu and name in WAITING:
            gpu.waits[name, package_line()] += 1
        elif on_gpu and name not in VIEWS:
            gpu.launches[name] += launches_of(name, args, kwargs)
        return self._marked(result, tensors, on_gpu)

    def _refuse_mix(self, name: str, on_cpu: list[Tensor]) -> None:
        if name in INDEXING or name in ("is_same_size", "_has_same_storage_numel"):
            return
        bad = [t for t in on_cpu if t.ndim > 0 or name in ("cat", "stack")]  # others take a CPU's single number
        lenient = torch.autograd.forward_ad._current_level >= 0
        if not lenient and _in_backward():
            lenient = self.gpu.dual_graph or not any(bool(t.any()) for t in bad)
        if lenient:  # zeros that C++ makes on the real device where there is no tangent or no gradient, and their like
            for tensor in bad:
                self.gpu.tag(tensor)
            return
        if bad:
            shapes = [tuple(t.shape) for t in bad]
            raise MixedDevicesError(
                f"{name} at {package_line()} got tensors of the CPU of shapes {shapes} beside the GPU's"
            )

    def _marked(self, result: Any, inputs: list[Tensor], on_gpu: bool) -> Any:
        known = {tensor.untyped_storage()._cdata for tensor in inputs}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and _is_real(tensor) and tensor.untyped_storage()._cdata not in known:
                (self.gpu.tag if on_gpu else self.gpu.untag)(tensor)
        return result


def _in_backward() -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_engine_run_backward":
            return True
        frame = frame.f_back
    return False


def _is_real(tensor: Tensor) -> bool:
    return not tensor._is_zerotensor() and not tensor.is_meta
