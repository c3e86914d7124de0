"""What Python asks of tensors on a pretended GPU, as a TorchFunctionMode answers it, and their moves."""

from __future__ import annotations

from typing import Any

import torch
from pretended_memory import CPU, CUDA, MixedDevicesError, PretendedGpu, package_line
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

FACTORIES = (
    *("rand", "randn", "randint", "zeros", "ones", "empty", "full", "arange", "linspace", "eye"),
    *("zeros_like", "ones_like", "empty_like", "full_like"),
)
RANDOM = ("bernoulli_", "exponential_", "normal_", "uniform_", "random_")


class Move(torch.autograd.Function):
    """A copy to the other device, whose gradient is copied back."""

    running = False

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, target: torch.device, source: torch.device, non_blocking: bool) -> Tensor:
        ctx.source = source
        Move.running = True
        try:
            return torch.ops.aten._to_copy.default(tensor, device=target, non_blocking=non_blocking)
        finally:
            Move.running = False

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient.to(ctx.source), None, None, None


class Questions(TorchFunctionMode):
    """Answers for tensors on the pretended GPU."""

    def __init__(self, gpu: PretendedGpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gpu, kwargs, name = self.gpu, dict(kwargs or {}), getattr(function, "__name__", "")
        own = args[0] if args and isinstance(args[0], Tensor) else None
        on_gpu = own is not None and gpu.holds(own)
        if function == torch.Tensor.device.__get__:
            return CUDA if on_gpu else function(*args)
        if function == torch.Tensor.is_cuda.__get__ or function == torch.Tensor.is_cpu.__get__:
            return on_gpu == (function == torch.Tensor.is_cuda.__get__)
        if function in (torch.Tensor.numpy, torch.Tensor.__array__) and on_gpu:
            raise TypeError(f"can't convert cuda:0 device type tensor to numpy at {package_line()}")
        if function in (torch.Tensor.cpu, torch.Tensor.cuda):
            return self._move(own, CPU if function is torch.Tensor.cpu else CUDA)
        if function is torch.Tensor.pin_memory:
            return gpu.pin(own)
        if function is torch.Tensor.tolist and on_gpu:
            return self._move(own.detach(), CPU).tolist()
        if function is torch.Tensor.to:
            return self._to(function, own, list(args[1:]), kwargs)
        if name in RANDOM and on_gpu and kwargs.get("generator") is not None:
            raise MixedDevicesError(f"{name} at {package_line()} fills a tensor of the GPU from a generator of the CPU")
        if (name.startswith("new_") or name == "__deepcopy__") and on_gpu and kwargs.get("device") is None:
            result = function(*args, **kwargs)
            gpu.tag(result)
            return result
        if name == "one_hot" and on_gpu:  # made of zeros on the real device, with checks that a GPU leaves out
            with _disable_current_modes():
                result = function(*args, **kwargs)
            gpu.tag(result)
            gpu.launches[name] += 2
            return result
        device = kwargs.get("device")
        if device is None or torch.device(device).type != "cuda":
            return function(*args, **kwargs)
        del kwargs["device"]
        if name in ("tensor", "as_tensor", "asarray"):
            return self._move(function(*args, **kwargs), CUDA)
        if name in FACTORIES:
            if kwargs.get("generator") is not None:
                raise MixedDevicesError(
                    f"{name} at {package_line()} makes a tensor of the GPU from a generator of the CPU"
                )
            result = function(*args, **kwargs)
            gpu.tag(result)
            gpu.launches[name] += not name.startswith("empty")
            return result
        return function(*args, **kwargs, device=device)

    def _to(self, function: Any, tensor: Tensor, rest: list[Any], kwargs: dict[str, Any]) -> Tensor:
        """`tensor.to(...)`: first another type or layout on its own device, then the move."""
        target, dtype = kwargs.get("device"), kwargs.get("dtype")
        non_blocking = bool(kwargs.get("non_blocking"))
        for value in rest:
            if isinstance(value, torch.device | str):
                target = value
            elif isinstance(value, torch.dtype):
                dtype = value
            elif isinstance(value, Tensor):
                target, dtype = (CUDA if self.gpu.holds(value) else CPU), value.dtype
            elif isinstance(value, bool):
                non_blocking = value
        layout = {key: kwargs[key] for key in ("memory_format", "copy") if kwargs.get(key)}
        if (dtype not in (None, tensor.dtype)) or layout:
            tensor = function(tensor, dtype=dtype or tensor.dtype, **layout)
        return tensor if target is None else self._move(tensor, torch.device(target), non_blocking)

    def _move(self, tensor: Tensor, target: torch.device, non_blocking: bool = False) -> Tensor:
        source = CUDA if self.gpu.holds(tensor) else CPU
        if source.type == target.type:
            return tensor
        return Move.apply(tensor, target, source, non_blocking)
