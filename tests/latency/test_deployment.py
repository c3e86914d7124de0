"""Every backend computes what the module computes, and a machine that lacks one says so."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_network import SPACE, random_network

from lbt.config import LatencyKey
from lbt.latency import deployment
from lbt.latency.deployment import Deployment, find_obstacle, list_providers
from lbt.latency.parts import build_part, list_space_parts

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SIZE = (64, 96)


def key(**values):
    return LatencyKey.model_validate(values)


def first(result):
    """The tensor that a pass returns: PyTorch's own, or the first array of ONNX Runtime."""
    found = result[0] if isinstance(result, list) else result
    return torch.from_numpy(found) if isinstance(found, np.ndarray) else found.float()


def different_parts():
    """A part of each kind, operator and stride."""
    return list({(part.part, part.operator, part.stride): part for part in list_space_parts(SPACE, 5)}.values())


@pytest.mark.parametrize(
    ("backend", "precision", "tolerance"),
    [("eager", "float32", 1e-5), ("eager", "bfloat16", 5e-2), ("onnxruntime", "float32", 1e-5)],
)
def test_each_part_computes_the_same_by_each_backend(backend, precision, tolerance):
    for part in different_parts():
        module, inputs = build_part(part, SPACE, SIZE)
        ready = Deployment(backend, precision, CPU, 1).prepare(module, inputs, first=part.is_first, last=part.is_last)
        assert 0 < ready.share <= 1 and (backend == "onnxruntime" or ready.share == 1)
        with torch.inference_mode():
            expected, found = module(*inputs), first(ready.forward(*ready.inputs))
        assert (found - expected).abs().max() <= tolerance * expected.abs().max(), part


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.exhaustive)])
def test_compiled_modules_compute_the_same(whole):
    """Modules of one class are compiled for themselves: a second cell must not run the code of the first."""
    compiled, images = Deployment("compile", "float32", CPU, 1), torch.rand(1, 3, *SIZE)
    cells = [part for part in list_space_parts(SPACE, 5) if (part.operator, part.stride, part.scale) == ("conv", 1, 8)]
    parts = [build_part(part, SPACE, SIZE) for part in (cells[0], cells[-1])]
    modules = [(random_network(), (images,))] if whole else parts
    passes = [compiled.prepare(module, inputs) for module, inputs in modules]
    for (module, inputs), ready in zip(modules, passes, strict=True):
        with torch.inference_mode():
            expected, found = module(*inputs), ready.forward(*ready.inputs)
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_features_arrive_as_one_layer_hands_them_to_the_next():
    (x,) = Deployment("eager", "bfloat16", CPU, 1).place((torch.rand(1, 8, 4, 4),))
    assert x.is_contiguous(memory_format=torch.channels_last) and x.dtype == torch.bfloat16
    (x,) = Deployment("onnxruntime", "float32", CPU, 1).place((torch.rand(1, 8, 4, 4),))
    assert x.is_contiguous() and x.dtype == torch.float32


def test_precisions_that_a_backend_or_a_device_lacks_are_refused():
    with pytest.raises(ValueError, match="ONNX Runtime computes no bfloat16; write `precision: float32`"):
        key(backend="onnxruntime", precision="bfloat16")
    setting, why = find_obstacle(key(precision="tf32"), CPU)
    assert setting == "latency.precision" and "tf32 exists on GPUs only" in why
    assert find_obstacle(key(precision="tf32"), GPU) is None
    assert find_obstacle(key(precision="bfloat16"), CPU) is None


def test_backends_that_are_missing_are_named(monkeypatch):
    assert find_obstacle(key(backend="onnxruntime"), CPU) is None
    assert list_providers(CPU) == ["CPUExecutionProvider"]
    setting, why = find_obstacle(key(backend="onnxruntime"), GPU)
    assert setting == "latency.backend" and "TensorrtExecutionProvider or CUDAExecutionProvider here" in why
    present = ["CUDAExecutionProvider", "CPUExecutionProvider", "TensorrtExecutionProvider"]
    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(get_available_providers=lambda: present))
    assert list_providers(GPU) == ["TensorrtExecutionProvider", "CUDAExecutionProvider"]

    monkeypatch.setattr(deployment.shutil, "which", lambda name: None)
    setting, why = find_obstacle(key(backend="compile"), CPU)
    assert setting == "latency.backend" and "compile needs a C++ compiler" in why
    assert find_obstacle(key(backend="compile"), GPU) is None
    monkeypatch.setattr(deployment.importlib.util, "find_spec", lambda name: None)
    assert "onnxruntime is not installed here" in find_obstacle(key(backend="onnxruntime"), CPU)[1]
