"""How a network is run when it is timed or used: backend, number format, device and threads."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lbt.config import LatencyKey
from lbt.latency.timing import Call
from lbt.network.fold_batch_norm import fold_batch_norm

Backend = Literal["eager", "compile", "onnxruntime"]
Precision = Literal["float32", "tf32", "bfloat16"]
Forward = Callable[..., Any]
"""A forward pass: takes tensors of the shapes for which it was prepared."""
_PROVIDERS = {"cuda": ("TensorrtExecutionProvider", "CUDAExecutionProvider"), "cpu": ("CPUExecutionProvider",)}
"""Kind of device -> the providers of ONNX Runtime for it, the fastest first."""


@dataclass(frozen=True)
class Prepared:
    """A forward pass that is ready to be timed.

    Attributes:
        forward: the pass.
        inputs: its arguments.
        share: of its time that it takes inside a network, 0 to 1; see `lbt.latency.onnx_session.inner_share`.
    """

    forward: Forward
    inputs: tuple[Tensor, ...]
    share: float = 1.0

    @property
    def call(self) -> Call:
        """Pass and arguments, for the stopwatch."""
        return self.forward, self.inputs


@dataclass(frozen=True)
class Deployment:
    """How modules are run.

    Attributes:
        backend: `eager`, `compile` or `onnxruntime`.
        precision: `float32`, `tf32` or `bfloat16`.
        device: where they run.
        threads: CPU threads.
    """

    backend: Backend
    precision: Precision
    device: torch.device
    threads: int

    def prepare(
        self, module: nn.Module, inputs: Sequence[Tensor], *, first: bool = True, last: bool = True
    ) -> Prepared:
        """The forward pass of a module in the form in which it is deployed.

        BatchNorm is folded into the convolutions. PyTorch's backends get features in channels-last order, as one layer
        of the network hands them to the next. On a GPU the pass is a CUDA graph, so that the host is not measured.

        Args:
            module: a derived network or a part of it, on the CPU.
            inputs: of its forward pass, on the CPU; the prepared pass takes inputs of these shapes only.
            first: whether the inputs are images; false for a part that follows another one.
            last: whether the outputs are logits; false for a part that another one follows.
        """
        folded, placed = fold_batch_norm(module), self.place(inputs)
        set_float32_products(self.precision)
        if self.backend == "onnxruntime":
            return self._prepare_session(folded, placed, first, last)
        folded = folded.to(self.device, self._dtype)
        if self.backend == "compile":
            return Prepared(_compile(folded, placed), placed)
        return Prepared(GraphPass(folded, placed) if self.device.type == "cuda" else folded, placed)

    def _prepare_session(self, module: nn.Module, inputs: tuple[Tensor, ...], first: bool, last: bool) -> Prepared:
        from lbt.latency.onnx_session import BoundPass, SessionPass, export_bytes, inner_share, start_session

        model, providers = export_bytes(module, tuple(x.cpu() for x in inputs)), list_providers(self.device)
        options = [
            (name, {"use_tf32": int(self.precision == "tf32")} if name.startswith("CUDA") else {}) for name in providers
        ]
        is_part = not (first and last)
        session = start_session(model, options, self.threads, shared=is_part)
        if self.device.type == "cuda":
            return Prepared(BoundPass(session), inputs)
        share = inner_share(model, inputs, options, first=first, last=last) if is_part else 1.0
        return Prepared(SessionPass(session), inputs, share)

    def place(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Inputs on the device, in the number format and the order of the backend's features."""
        order = torch.contiguous_format if self.backend == "onnxruntime" else torch.channels_last
        return tuple(x.to(self.device, self._dtype, memory_format=order) for x in inputs)

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32


def set_float32_products(precision: Precision) -> None:
    """Let a GPU round the factors of float32 products to TF32, or forbid it."""
    # By PyTorch's older names: after a use of the newer `fp32_precision`, `torch.export` refuses to work.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def find_obstacle(latency: LatencyKey, device: torch.device) -> tuple[str, str] | None:
    """The setting that cannot be met on this machine, and why; None if all can.

    Args:
        latency: backend and precision.
        device: where the networks would run.
    """
    if latency.precision == "tf32" and device.type != "cuda":
        return "latency.precision", "tf32 exists on GPUs only, and the device is the CPU; write `precision: float32`"
    if latency.backend == "compile" and device.type == "cpu" and shutil.which("c++") is None:
        return "latency.backend", "compile needs a C++ compiler, and there is no `c++` here; install one, such as g++"
    if latency.backend == "onnxruntime":
        if importlib.util.find_spec("onnxruntime") is None:
            return "latency.backend", "onnxruntime is not installed here; `pip install onnxruntime`, or write `eager`"
        if not list_providers(device):
            needed = " or ".join(_PROVIDERS[device.type])
            return "latency.backend", (
                f"onnxruntime has no {needed} here; `pip install onnxruntime-gpu` instead of onnxruntime, or write "
                "`compute.device: cpu`"
            )
    return None


def list_providers(device: torch.device) -> list[str]:
    """The providers of ONNX Runtime for a device that are installed, the fastest first."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [name for name in _PROVIDERS[device.type] if name in available]


class GraphPass:
    """A forward pass that was recorded as a CUDA graph: one launch for all kernels.

    Args:
        module: on a GPU.
        inputs: of its forward pass; a call copies other inputs into them.
    """

    def __init__(self, module: nn.Module, inputs: Sequence[Tensor]) -> None:
        self.inputs, self.graph = tuple(inputs), torch.cuda.CUDAGraph()
        with torch.inference_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):  # the first passes choose kernels, which a graph cannot record
                for _ in range(3):
                    module(*self.inputs)
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(self.graph):
                self.output = module(*self.inputs)

    def __call__(self, *inputs: Tensor) -> Tensor:
        for own, given in zip(self.inputs, inputs, strict=True):
            if own is not given:
                own.copy_(given)
        self.graph.replay()
        return self.output


def _compile(module: nn.Module, inputs: Sequence[Tensor]) -> Forward:
    """A module compiled for inputs of these shapes."""
    # A traced module has code of its own. Otherwise all modules of a class would share one cache of compiled code.
    traced = torch.fx.symbolic_trace(module)
    options: dict[str, Any] = {"freezing": True, "guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
    options |= {"triton.cudagraphs": True} if inputs[0].is_cuda else {}
    compiled = torch.compile(traced, dynamic=False, options=options)
    with torch.inference_mode():
        compiled(*inputs)
    return compiled
