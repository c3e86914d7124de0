"""A pretended GPU: CPU tensors that are tagged as those of `cuda:0`, so that a machine without a GPU tests its use.

A tag belongs to the memory of a tensor. A TorchFunctionMode answers what Python asks of a tagged tensor: `.device`,
`.to(...)`, `.cpu()`, `.numpy()`, factories. A TorchDispatchMode sees every kernel, forward, backward and in forward
derivatives, and hands the tags on. A kernel that mixes CPU and GPU raises an error. Kernels launched, waits of the host
and copies are counted.

What it cannot show: kernels that PyTorch lacks on a GPU, numbers, NCCL, memory. In forward derivatives, PyTorch makes
tangents of zeros on the real device, so a CPU tensor is accepted there.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import ceil
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
VIEWS = _names("""
    view as_strided slice select split expand detach alias permute t unbind transpose unsqueeze squeeze diagonal
    unfold split_with_sizes _unsafe_view _reshape_alias lift_fresh reshape movedim empty empty_like
    empty_strided new_empty new_empty_strided resize_ set_ is_same_size _has_same_storage_numel
""")
"""Kernels that launch nothing."""
WAITING = _names("""
    _local_scalar_dense nonzero is_nonzero equal _unique2 unique_dim unique_consecutive masked_select bincount
    item allclose
""")
"""Kernels whose result the host needs."""
INDEXING = frozenset(("index", "index_put", "index_put_", "_index_put_impl_"))
"""Kernels that take an index from the CPU, which PyTorch copies."""
FACTORIES = _names("""
    rand randn randint zeros ones empty full arange linspace eye zeros_like ones_like empty_like full_like
""")
RANDOM = _names("""
    bernoulli_ exponential_ normal_ uniform_ random_
""")
TENSORS_PER_LAUNCH = (110, 64, 48, 36, 30)
"""Tensors of one launch of a `_foreach` kernel of 1, 2, ... lists (ATen/native/cuda/MultiTensorApply.cuh)."""
CAT_INPUTS = 128
"""Tensors that one launch joins (ATen/native/cuda/Shape.cu)."""


class MixedDevicesError(RuntimeError):
    """A kernel got tensors of the CPU and of the GPU."""


@dataclass
class PretendedGpu:
    """Tags and counts.

    Attributes:
        launches: kernels by name.
        waits: by cause and place, what made the host wait for the device.
        copies: by direction (`up`, `down`) and place.
        dual_graph: whether the next backward pass goes through forward derivatives.
    """

    launches: Counter[str] = field(default_factory=Counter)
    waits: Counter[tuple[str, str]] = field(default_factory=Counter)
    copies: Counter[tuple[str, str]] = field(default_factory=Counter)
    dual_graph: bool = False
    _tagged: dict[int, StorageWeakRef] = field(default_factory=dict)
    _pinned: dict[int, StorageWeakRef] = field(default_factory=dict)

    def holds(self, tensor: Tensor) -> bool:
        """Whether the tensor is on the GPU."""
        return not tensor._is_zerotensor() and _found(self._tagged, tensor)

    def tag(self, tensor: Tensor) -> None:
        """Put the tensor's memory on the GPU."""
        storage = tensor.untyped_storage()
        self._tagged[storage._cdata] = StorageWeakRef(storage)

    def untag(self, tensor: Tensor) -> None:
        """Memory that was freed on the GPU may have the same address."""
        self._tagged.pop(tensor.untyped_storage()._cdata, None)

    def pin(self, tensor: Tensor) -> Tensor:
        """A copy in pinned memory."""
        pinned = tensor.detach().clone()
        storage = pinned.untyped_storage()
        self._pinned[storage._cdata] = StorageWeakRef(storage)
        return pinned

    def count_copy(self, source: Tensor, *, up: bool, non_blocking: bool) -> None:
        """A copy between host and device waits, unless it goes up from pinned memory and may be asynchronous."""
        where = _place()
        self.copies["up" if up else "down", where] += 1
        if not (up and non_blocking and _found(self._pinned, source)):
            self.waits["copy up" if up else "copy down", where] += 1

    def clear(self) -> None:
        """Set the counts to 0."""
        for counter in (self.launches, self.waits, self.copies):
            counter.clear()

    def report(self) -> str:
        """The counts, the largest ones by name and place."""
        lines = [f"{self.launches.total()} launches, {self.waits.total()} waits, {self.copies.total()} copies"]
        lines += [f"{count:8} {name}" for name, count in self.launches.most_common(25)]
        lines += [f"{count:8} {cause} at {place}" for (cause, place), count in self.waits.most_common(25)]
        return "\n".join(lines)


def _found(known: dict[int, StorageWeakRef], tensor: Tensor) -> bool:
    try:
        address = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # wrappers of forward-mode derivatives have no storage
        return False
    reference = known.get(address)
    if reference is not None and reference.expired():
        del known[address]
        reference = None
    return reference is not None


def _place() -> str:
    """The innermost line of the package on the stack."""
    for frame in reversed(traceback.extract_stack(limit=40)):
        if "/lbt/" in frame.filename and "/tests/" not in frame.filename and "site-packages" not in frame.filename:
            return f"{frame.filename.rpartition('/lbt/')[2]}:{frame.lineno}"
    return "outside"


def _in_backward() -> bool:
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_engine_run_backward":
            return True
        frame = frame.f_back
    return False


class _Kernels(TorchDispatchMode):
    def __init__(self, gpu: PretendedGpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        gpu, kwargs, name = self.gpu, dict(kwargs or {}), function.overloadpacket.__name__
        tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor) and _is_real(a)]
        tags = [gpu.holds(tensor) for tensor in tensors]
        gpu.dual_graph |= torch.is_grad_enabled() and torch.autograd.forward_ad._current_level >= 0
        device = kwargs.get("device")
        if name == "_to_copy" and not _Move.running:  # C++ asks for the real device, which is no move
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
            gpu.waits[name, _place()] += 1
        elif on_gpu and name not in VIEWS:
            gpu.launches[name] += _launches_of(name, args, kwargs)
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
            raise MixedDevicesError(f"{name} at {_place()} got tensors of the CPU of shapes {shapes} beside the GPU's")

    def _marked(self, result: Any, inputs: list[Tensor], on_gpu: bool) -> Any:
        known = {tensor.untyped_storage()._cdata for tensor in inputs}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and _is_real(tensor) and tensor.untyped_storage()._cdata not in known:
                (self.gpu.tag if on_gpu else self.gpu.untag)(tensor)
        return result


def _is_real(tensor: Tensor) -> bool:
    return not tensor._is_zerotensor() and not tensor.is_meta


def _launches_of(name: str, args: Any, kwargs: Any) -> int:
    lists = [
        a for a in (*args, *kwargs.values()) if isinstance(a, list | tuple) and any(isinstance(t, Tensor) for t in a)
    ]
    if not lists:
        return 1
    longest = max(map(len, lists))
    if name == "cat":
        return ceil(longest / CAT_INPUTS)
    if not name.startswith(("_foreach", "_fused")):
        return 1
    if not _is_fast(lists):
        return longest
    depth = len(lists) + (not name.endswith("_"))
    return ceil(longest / TENSORS_PER_LAUNCH[min(depth, len(TENSORS_PER_LAUNCH)) - 1])


def _is_fast(lists: Sequence[Sequence[Tensor]]) -> bool:
    """Whether a `_foreach` kernel takes many tensors a launch (ATen/native/ForeachUtils.h); otherwise it takes one."""
    uniform = all(len({tensor.dtype for tensor in own}) == 1 for own in lists)
    dense = all(torch.ops.aten.is_non_overlapping_and_dense.default(tensor) for own in lists for tensor in own)
    layouts = zip(*([(tensor.shape, tensor.stride()) for tensor in own] for own in lists), strict=False)
    return uniform and dense and all(len(set(same)) == 1 for same in layouts)


class _Move(torch.autograd.Function):
    running = False

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, target: torch.device, source: torch.device, non_blocking: bool) -> Tensor:
        ctx.source = source
        _Move.running = True
        try:
            return torch.ops.aten._to_copy.default(tensor, device=target, non_blocking=non_blocking)
        finally:
            _Move.running = False

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return gradient.to(ctx.source), None, None, None


class _Questions(TorchFunctionMode):
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
            raise TypeError(f"can't convert cuda:0 device type tensor to numpy at {_place()}")
        if function in (torch.Tensor.cpu, torch.Tensor.cuda):
            return self._move(own, CPU if function is torch.Tensor.cpu else CUDA)
        if function is torch.Tensor.pin_memory:
            return gpu.pin(own)
        if function is torch.Tensor.tolist and on_gpu:
            return self._move(own.detach(), CPU).tolist()
        if function is torch.Tensor.to:
            return self._to(function, own, list(args[1:]), kwargs)
        if name in RANDOM and on_gpu and kwargs.get("generator") is not None:
            raise MixedDevicesError(f"{name} at {_place()} fills a tensor of the GPU from a generator of the CPU")
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
                raise MixedDevicesError(f"{name} at {_place()} makes a tensor of the GPU from a generator of the CPU")
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
        return _Move.apply(tensor, target, source, non_blocking)


@contextmanager
def pretended_gpu() -> Iterator[PretendedGpu]:
    """In the block this process has one GPU, on which PyTorch's default generator of the CPU draws."""
    gpu = PretendedGpu()

    def groups(lists: list[list[Tensor]], with_indices: bool = False) -> dict[Any, Any]:
        found = original_groups(lists, with_indices)
        on_gpu = any(gpu.holds(tensor) for tensor in lists[0][:1])
        return {((CUDA if on_gpu else device), dtype): value for (device, dtype), value in found.items()}

    def run_backward(*arguments: Any, **keywords: Any) -> Any:
        with _Questions(gpu):  # `torch.autograd.grad` itself runs without the mode that is asked about it
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
        "synchronize": lambda *_: gpu.waits.update([("synchronize", _place())]),
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
        stack.enter_context(_Questions(gpu))
        stack.enter_context(_Kernels(gpu))
        yield gpu
