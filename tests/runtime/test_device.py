"""The device of a job, and the number format of its networks."""

import os
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lbt.config import ComputeDevice, ComputeSettings
from lbt.errors import LbtError
from lbt.runtime.device import Precision, check_gpus, describe_devices, prepare_device


def test_more_processes_than_gpus_are_refused():
    present = torch.cuda.device_count()
    with pytest.raises(LbtError, match=rf"^search\.gpus: {present + 1} GPUs are wanted, .* has {present}\. Lower it"):
        check_gpus("search.gpus", present + 1, "auto")
    assert check_gpus("search.gpus", present + 1, "cpu") == "cpu"


def tf32():
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("name", ["float32", "tf32", "bfloat16"])
def test_tf32_is_allowed_only_in_the_blocks_that_ask_for_it(name):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    prepare_device(ComputeSettings(device="cpu", threads=1, precision=name))
    assert tf32() == (False, False)
    assert torch.backends.cudnn.conv.fp32_precision != "tf32" != torch.backends.cuda.matmul.fp32_precision
    with Precision(name).applied():
        assert tf32() == (name == "tf32", name == "tf32")
    assert tf32() == (False, False)
    with pytest.raises(ZeroDivisionError), Precision(name).applied():
        raise ZeroDivisionError
    assert tf32() == (False, False)


@pytest.mark.parametrize("name", ["float32", "tf32", "bfloat16"])
def test_networks_run_in_the_format_and_return_float32(name):
    seen = []
    network = nn.Conv2d(3, 4, 3)
    network.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    images, counts = torch.rand(2, 3, 8, 8), torch.arange(3)

    def outputs(x):
        assert torch.is_autocast_enabled("cpu") == (name == "bfloat16")
        return {"out": network(x), "both": (network(x), counts)}

    with Precision(name).applied() as forward:
        found = forward(outputs, images)
        assert not torch.is_autocast_enabled("cpu")  # here a loss is computed
        found["out"].sum().backward()
    assert set(seen) == {torch.bfloat16 if name == "bfloat16" else torch.float32}
    assert found["out"].dtype == found["both"][0].dtype == network.weight.grad.dtype == torch.float32
    assert found["both"][1] is counts
    exact = network(images)
    assert torch.equal(found["out"], exact) == (name != "bfloat16")
    assert torch.allclose(found["out"], exact, atol=0.02)
    with torch.no_grad():
        network.weight.mul_(2)  # no rounded copy of the old weights is kept
    with Precision(name).applied() as forward:
        assert torch.allclose(forward(network, images), network(images), atol=0.04)


def test_a_double_precision_network_stays_one():
    network = nn.Conv2d(3, 4, 3).double()
    with Precision("tf32").applied() as forward:
        assert forward(network, torch.rand(1, 3, 8, 8).double()).dtype == torch.float64


@pytest.fixture
def pretended_gpu(monkeypatch):
    """PyTorch finds a GPU; nothing is computed on it. The switches are as before afterwards."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.backends.cudnn.deterministic
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = before
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.parametrize("wanted", [True, False])
def test_a_gpu_repeats_its_results_where_the_settings_ask_for_it(pretended_gpu, wanted):
    compute = ComputeSettings(device="auto", threads=1, deterministic=wanted)
    assert prepare_device(compute) == torch.device("cuda")
    assert torch.are_deterministic_algorithms_enabled() == torch.backends.cudnn.deterministic == wanted
    assert (os.environ.get("CUBLAS_WORKSPACE_CONFIG") == ":4096:8") == wanted
    # A stage that measures time, and a job on the CPU, do not know the key.
    prepare_device(ComputeDevice(device="cuda", threads=1))
    assert not torch.are_deterministic_algorithms_enabled() and not torch.backends.cudnn.deterministic
    prepare_device(compute.model_copy(update={"device": "cpu"}))
    assert not torch.are_deterministic_algorithms_enabled()


def test_devices_are_named(pretended_gpu, monkeypatch):
    properties = [SimpleNamespace(name=f"GPU {index}", uuid=f"0{index}-f") for index in range(3)]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties.__getitem__)
    gpus = [{"name": "GPU 0", "uuid": "GPU-00-f"}, {"name": "GPU 1", "uuid": "GPU-01-f"}]
    assert describe_devices(ComputeDevice(), 2) == gpus
    (processor,) = describe_devices(ComputeDevice(device="cpu"), 2)
    assert processor.keys() == {"name"} and "(" in processor["name"]
