"""ONNX Runtime: export of a module, sessions, and the share of a part's time that its neighbours would not save."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from onnxscript import ir
from torch import Tensor, nn

OPSET = 18
PROFILED_PASSES = 10
CACHES = 2**23
"""Numbers of float32 that fill the caches of a processor."""
_CONVERSIONS = ("ReorderInput", "ReorderOutput")
"""ONNX Runtime's conversions to and from its own order of channels."""


def export_program(module: nn.Module, inputs: tuple[Tensor, ...], **options: Any) -> torch.onnx.ONNXProgram:
    """The ONNX graph of a module.

    Args:
        module: in evaluation mode, on the CPU.
        inputs: of its forward pass.
        **options: further arguments of `torch.onnx.export`.
    """
    program = torch.onnx.export(module, inputs, dynamo=True, opset_version=OPSET, verbose=False, **options)
    assert program is not None  # with `dynamo`, export returns the program
    # ONNX Runtime keeps its own order of channels through a pool that rounds sizes down, but not through one that
    # rounds them up. For even sizes both are the same.
    for node in program.model.graph:
        shape = node.inputs[0].shape if node.op_type == "AveragePool" and node.inputs[0] is not None else None
        if shape is not None and all(isinstance(side, int) and side % 2 == 0 for side in shape.dims[2:]):
            node.attributes["ceil_mode"] = ir.AttrInt64("ceil_mode", 0)
    return program


def export_bytes(module: nn.Module, inputs: tuple[Tensor, ...]) -> bytes:
    """The content of the ONNX file of a module for inputs of these shapes."""
    return export_program(module, inputs).model_proto.SerializeToString()


def start_session(
    model: bytes | str, providers: Sequence[Any], threads: int, *, shared: bool = False, record: Path | None = None
) -> onnxruntime.InferenceSession:
    """Start ONNX Runtime on the content or the path of an ONNX file.

    Args:
        model: content or path.
        providers: the parts of ONNX Runtime that may compute, the preferred one first.
        threads: CPU threads.
        shared: whether features lie in memory that all such sessions share, so that it is in the caches when the next
            part runs. In a network, too, the previous layer has just used the memory of the next one.
        record: a folder for the graph that runs and the time of each of its nodes.
    """
    options = onnxruntime.SessionOptions()
    if shared:
        _share_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    if record is not None:
        options.optimized_model_filepath = str(record / "optimised.onnx")
        options.profile_file_prefix, options.enable_profiling = str(record / "profile"), True
    return onnxruntime.InferenceSession(model, options, providers=list(providers))


@cache
def _share_memory() -> None:
    """Make the memory on the CPU that sessions can share; a process has one."""
    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    memory = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(memory, None)


def inner_share(model: bytes, inputs: Sequence[Tensor], providers: Sequence[Any], *, first: bool, last: bool) -> float:
    """The share of the time of a part by itself that it takes inside a network, 0 to 1.

    By itself a part also pays for its call, and for the conversion of its inputs and outputs between the usual order of
    channels and ONNX Runtime's own. In a network the features stay in that order. ONNX Runtime's own profile of the
    nodes tells how much that is.

    Args:
        model: content of the ONNX file.
        inputs: of a pass.
        providers: see `start_session`.
        first: whether the inputs are images, whose conversion the network pays for too.
        last: whether the outputs are logits, likewise.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = start_session(model, providers, 1, shared=True, record=Path(folder))
        run = SessionPass(session)
        others = torch.empty(CACHES)
        for _ in range(PROFILED_PASSES):
            others.fill_(0)  # the stopwatch lets other parts run in between, which leave nothing in the caches
            run(*inputs)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        graph = onnx.load(Path(folder) / "optimised.onnx").graph
    ends = {value.name for value in ([] if first else graph.input)} | {v.name for v in ([] if last else graph.output)}
    left_out = {
        f"{node.name}_kernel_time"
        for node in graph.node
        if node.op_type in _CONVERSIONS and ends & {*node.input, *node.output}
    }
    inside = sum(e["dur"] for e in events if e["cat"] == "Node" and e["name"].endswith("_kernel_time"))
    saved = sum(e["dur"] for e in events if e["name"] in left_out)
    total = sum(e["dur"] for e in events if e["name"] == "model_run")
    return (inside - saved) / total


class SessionPass:
    """A session of ONNX Runtime, called with tensors on the CPU; returns a list of arrays."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session, self.names = session, [node.name for node in session.get_inputs()]

    def __call__(self, *inputs: Tensor) -> list[Any]:
        return self.session.run(None, {name: x.numpy() for name, x in zip(self.names, inputs, strict=True)})


class BoundPass:
    """A session of ONNX Runtime whose inputs and outputs stay on the GPU."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
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
