"""How a network is run when it is timed or used: backend, number format, device and threads."""

from __future__ import annotations

import importlib.util
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lbt.config import LatencyKey
from lbt.network.fold_batch_norm import fold_batch_norm

Backend = Literal["eager", "compile", "onnxruntime"]
Precision = Literal["float32", "tf32", "bfloat16"]
Forward = Callable[..., Any]
"""A forward pass: takes the tensors for which it was prepared."""
OPSET = 18
_PROVIDERS = {"cuda": ("TensorrtExecutionProvider", "CUDAExecutionProvider"), "cpu": ("CPUExecutionProvider",)}
"""Kind of device -> the providers of ONNX Runtime for it, the fastest first."""


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

    def prepare(self, module: nn.Module, inputs: Sequence[Tensor]) -> tuple[Forward, tuple[Tensor, ...]]:
        """The forward pass of a module in the form in which it is deployed, and its inputs.

        BatchNorm is folded into the convolutions. PyTorch's backends get features in channels-last order, as one layer
        of the network hands them to the next. On a GPU the pass is a CUDA graph, so that the host is not measured.

        Args:
            module: a derived network or a part of it, on the CPU.
            inputs: of its forward pass, on the CPU; the prepared pass takes inputs of these shapes only.
        """
        folded, placed = fold_batch_norm(module), self.place(inputs)
        set_float32_products(self.precision)
        if self.backend == "onnxruntime":
            session = start_session(export_onnx(folded, tuple(inputs)), self)
            return (BoundPass if self.device.type == "cuda" else SessionPass)(session), placed
        folded = folded.to(self.device, self._dtype)
        if self.backend == "compile":
            return _compile(folded, placed), placed
        return (GraphPass(folded, placed) if self.device.type == "cuda" else folded), placed

    def place(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Inputs on the device, in the number format and the order of the backend's features."""
        order = torch.contiguous_format if self.backend == "onnxruntime" else torch.channels_last
        return tuple(x.to(self.device, self._dtype, memory_format=order) for x in inputs)

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32


def set_float32_products(precision: Precision) -> None:
    """Let a GPU round the factors of float32 products to TF32, or forbid it."""
    chosen = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = chosen
    torch.backends.cudnn.conv.fp32_precision = chosen


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


def export_onnx(module: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The ONNX file of a module for inputs of these shapes."""
    program = torch.onnx.export(module, inputs, dynamo=True, opset_version=OPSET, verbose=False)
    assert program is not None  # with `dynamo`, export returns the program
    file = io.BytesIO()
    program.save(file)
    return file.getvalue()


def start_session(model: bytes | str, deployment: Deployment) -> Any:
    """Start ONNX Runtime on the content or the path of an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = deployment.threads, 1
    options.log_severity_level = 3
    providers: list[Any] = list(list_providers(deployment.device))
    if "CUDAExecutionProvider" in providers:
        at = providers.index("CUDAExecutionProvider")
        providers[at] = ("CUDAExecutionProvider", {"use_tf32": int(deployment.precision == "tf32")})
    return onnxruntime.InferenceSession(model, options, providers=providers)


class SessionPass:
    """A session of ONNX Runtime, called with tensors on the CPU; returns a list of arrays."""

    def __init__(self, session: Any) -> None:
        self.session, self.names = session, [node.name for node in session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> list[Any]:
        return self.session.run(None, {name: x.numpy() for name, x in zip(self.names, inputs, strict=True)})


class BoundPass:
    """A session of ONNX Runtime whose inputs and outputs stay on the GPU."""

    def __init__(self, session: Any) -> None:
        self.session, self.binding = session, session.io_binding()
        self.names = [node.name for node in session.get_inputs()]
        self.outputs = [node.name for node in session.get_outputs()]

    def __call__(self, *inputs: Tensor) -> list[Any]:
        for name, x in zip(self.names, inputs, strict=True):
            self.binding.bind_input(name, "cuda", x.device.index or 0, "float32", tuple(x.shape), x.data_ptr())
        for name in self.outputs:
            self.binding.bind_output(name, "cuda")
        self.session.run_with_iobinding(self.binding)
        return self.binding.get_outputs()


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
    options = {"freezing": True, "guard_filter_fn": torch.compiler.skip_all_guards_unsafe}
    options |= {"triton.cudagraphs": True} if inputs[0].is_cuda else {}
    compiled = torch.compile(traced, dynamic=False, options=options)
    with torch.inference_mode():
        compiled(*inputs)
    return compiled
