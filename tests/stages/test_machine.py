"""Whether a job fits the largest node, and whether there is a GPU."""

import json

import pytest

from lbt.config.read import parse_settings
from lbt.errors import LbtError
from lbt.stages import machine
from lbt.stages.machine import LARGEST_NODES, may_have_gpus, require_fit


def settings(threads=2, gpus=1):
    return parse_settings({"compute": {"threads": threads}, "warmup": {"gpus": gpus, "batch_size": 40}}, "test.yaml")


@pytest.fixture
def nodes(monkeypatch):
    def name(**largest):
        monkeypatch.setenv(LARGEST_NODES, json.dumps(largest))

    return name


def test_without_a_cluster_everything_fits(monkeypatch):
    monkeypatch.delenv(LARGEST_NODES, raising=False)
    require_fit("warmup", settings(threads=999, gpus=8), on_gpu=True)


def test_a_job_as_large_as_the_largest_node_fits(nodes):
    nodes(cpu={"cpus": 4, "gpus": 0}, gpu={"cpus": 8, "gpus": 4})
    require_fit("latency", settings(threads=4), on_gpu=False)
    require_fit("warmup", settings(threads=2, gpus=4), on_gpu=True)


@pytest.mark.parametrize(
    ("stage", "threads", "gpus", "on_gpu", "message"),
    [
        ("latency", 5, 1, False, r"latency needs 5 CPUs \(compute.threads: 5\), but the largest node .* has 4\. Lower"),
        ("warmup", 3, 2, False, r"warmup needs 6 CPUs \(compute.threads: 3, warmup.gpus: 2\), .* has 4\."),
        ("warmup", 1, 5, True, r"warmup needs 5 GPUs \(warmup.gpus: 5\), but the largest node .* has 4\."),
        ("label", 9, 1, True, r"label needs 9 CPUs \(compute.threads: 9\), .* has 8\."),
    ],
)
def test_a_larger_job_is_refused_with_its_settings(nodes, stage, threads, gpus, on_gpu, message):
    nodes(cpu={"cpus": 4, "gpus": 0}, gpu={"cpus": 8, "gpus": 4})
    with pytest.raises(LbtError, match=message):
        require_fit(stage, settings(threads, gpus), on_gpu=on_gpu)


def test_one_gpu_of_a_partition_without_gpus(nodes):
    nodes(cpu={"cpus": 4, "gpus": 0}, gpu={"cpus": 4, "gpus": 0})
    with pytest.raises(LbtError, match=r"label needs 1 GPU \(compute.device: auto or cuda\)"):
        require_fit("label", settings(), on_gpu=True)


def test_gpus_are_those_of_the_machine_or_the_cluster_and_asked_for_once(monkeypatch, tmp_path):
    for devices, cluster, found in (((), False, False), ((str(tmp_path),), False, True), ((), True, True)):
        monkeypatch.delenv(machine._GPUS, raising=False)
        monkeypatch.setattr(machine, "_DEVICES", devices)
        monkeypatch.setattr(machine, "gpus_of_cluster", lambda cluster=cluster: cluster)
        assert may_have_gpus() is found
        monkeypatch.setattr(machine, "gpus_of_cluster", lambda: pytest.fail("asked twice"))
        assert may_have_gpus() is found
