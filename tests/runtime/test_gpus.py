"""A GPU of its own for each job: pretended GPUs, real locks, real processes and a real Snakemake."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.config.read import parse_settings
from lbt.provenance.manifest import read_manifest
from lbt.runtime import gpus
from lbt.runtime.device import device_name
from lbt.runtime.gpus import list_gpus, lock_folder, take_gpus

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "workflow" / "profiles" / "default"
NVIDIA_SMI = """#!/bin/sh
case "$1" in
-L) for i in {gpus}; do echo "GPU $i: Pretended (UUID: GPU-$i)"; done;;
--query-gpu=uuid) for i in {gpus}; do echo "GPU-$i"; done;;
*) exit 1;;
esac
"""
JOB = """
import sys, time
from lbt.runtime.gpus import take_gpus
names = take_gpus(int(sys.argv[1]), note=lambda text: print("note", text, flush=True))
print("start", time.monotonic(), *names, flush=True)
time.sleep(float(sys.argv[2]))
print("end", time.monotonic(), *names, flush=True)
"""


@pytest.fixture
def machine(tmp_path):
    """The environment of a machine with three pretended GPUs."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "locks").mkdir()
    program = tmp_path / "bin" / "nvidia-smi"
    program.write_text(NVIDIA_SMI.format(gpus="0 1 2"))
    program.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if k not in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID")}
    path = os.pathsep.join((str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    return kept | {"PATH": path, "TMPDIR": str(tmp_path / "locks"), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def held(machine, monkeypatch):
    """Locks of this process in the folder of the pretended machine, freed afterwards."""
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: machine["TMPDIR"])
    monkeypatch.setattr(gpus, "_HELD", [])
    yield gpus._HELD
    for lock in gpus._HELD:
        lock.release()


def job(machine, count=1, seconds=1.0):
    command = [sys.executable, "-c", JOB, str(count), str(seconds)]
    return subprocess.Popen(command, env=machine, stdout=subprocess.PIPE, text=True)


def uses(text):
    """(GPU, start, end) of every use in the output of one or more jobs."""
    events = [line.split() for line in text.splitlines() if line.startswith(("start", "end"))]
    starts = [(float(at), names) for kind, at, *names in events if kind == "start"]
    ends = [(float(at), names) for kind, at, *names in events if kind == "end"]
    found = []
    for at, names in sorted(starts):
        over = min(end for end, others in ends if others == names and end > at)
        found += [(name, at, over) for name in names]
    return found


def assert_never_shared(found):
    for index, (name, start, end) in enumerate(found):
        assert all(other != name or at >= end or over <= start for other, at, over in found[index + 1 :])


def test_each_of_six_jobs_has_a_gpu_of_its_own(machine):
    jobs = [job(machine) for _ in range(6)]
    texts = [each.communicate(timeout=60)[0] for each in jobs]
    found = uses("\n".join(texts))
    assert len(found) == 6 and {name for name, _, _ in found} == {"GPU-0", "GPU-1", "GPU-2"}
    assert_never_shared(found)
    assert sum("note waits for 1 free GPU(s) of 3" in text for text in texts) >= 3


def test_a_job_on_two_gpus_waits_until_two_are_free(machine):
    single = [job(machine, seconds=1.5), job(machine, seconds=1.5)]
    for each in single:
        assert each.stdout.readline().startswith("start")
    double = job(machine, count=2, seconds=0.1)
    text = "".join(each.communicate(timeout=60)[0] for each in single)
    waited = double.communicate(timeout=60)[0]
    assert len(uses(waited)) == 2 and "note" in waited
    assert min(start for _, start, _ in uses(waited)) > float(text.split("end")[1].split()[0]) - 0.01


def test_a_killed_job_frees_its_gpu(machine):
    first = [job(machine, count=3, seconds=60)]
    assert first[0].stdout.readline().split()[2:] == ["GPU-0", "GPU-1", "GPU-2"]
    first[0].kill()
    first[0].wait()
    assert len(uses(job(machine, count=3, seconds=0).communicate(timeout=60)[0])) == 3


def test_jobs_that_measure_use_the_first_gpus_only(machine, held):
    environment = dict(machine)
    assert take_gpus(1, first=True, environment=environment) == ["GPU-0"] == [environment["CUDA_VISIBLE_DEVICES"]]
    assert job(machine, seconds=0).communicate(timeout=60)[0].split()[2] == "GPU-1"
    measuring = JOB.replace("take_gpus(", "take_gpus(first=True, count=")
    process = subprocess.Popen(
        [sys.executable, "-c", measuring, "1", "0"], env=machine, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().startswith("note")  # the others are free, but it waits for the first
    for lock in held:
        lock.release()
    assert process.communicate(timeout=60)[0].split()[2] == "GPU-0"


def test_the_choice_of_the_user_and_of_slurm_is_respected(machine, held):
    environment = machine | {"CUDA_VISIBLE_DEVICES": "0,2"}
    assert list_gpus(environment) == ["0", "2"]
    assert take_gpus(1, environment=environment) == ["0"]
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    for given, expected in (("1", ["1"]), ("", []), ("-1", []), ("3,-1,0", ["3"])):
        environment = machine | {"CUDA_VISIBLE_DEVICES": given}
        assert take_gpus(1, environment=environment) == expected
        assert environment["CUDA_VISIBLE_DEVICES"] == given  # nothing to choose
    # Two allocations on one node see their own GPUs under the same numbers.
    for allocation in ("17", "18"):
        environment = machine | {"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_ID": allocation}
        assert take_gpus(2, environment=environment) == ["0", "1"]
    assert len({lock_folder({"SLURM_JOB_ID": name}) for name in ("17", "18")} | {lock_folder({})}) == 3


def test_without_nvidia_gpus_nothing_changes(tmp_path):
    environment = {"PATH": str(tmp_path)}
    assert list_gpus(environment) == [] == take_gpus(1, environment=environment)
    assert "CUDA_VISIBLE_DEVICES" not in environment


def snakemake(folder, machine, *arguments, resources="gpu=1"):
    (folder / "job.py").write_text(JOB)
    (folder / "Snakefile").write_text(
        'rule all:\n    input: expand("o{i}", i=range(6))\n'
        f'rule one:\n    output: "o{{i}}"\n    resources: {resources}\n'
        f'    shell: "{sys.executable} job.py {{resources.gpu}} 1.5 > {{output}}"\n'
    )
    command = [sys.executable, "-m", "snakemake", "--cores", "8", "--workflow-profile", str(PROFILE), *arguments]
    return subprocess.run(command, cwd=folder, env=machine, capture_output=True, text=True, check=False)


def test_a_workstation_runs_a_job_on_each_gpu_without_an_option(tmp_path, machine):
    """Three GPUs, eight cores, six jobs: three at a time, each on a GPU of its own, and none has to wait."""
    started = time.monotonic()
    result = snakemake(tmp_path, machine)
    assert result.returncode == 0, result.stderr
    assert time.monotonic() - started > 3  # two after another on each GPU
    texts = [(tmp_path / f"o{i}").read_text() for i in range(6)]
    found = uses("\n".join(texts))
    assert_never_shared(found)
    assert {name for name, _, _ in found} == {"GPU-0", "GPU-1", "GPU-2"}
    assert max(sum(a <= start < b for _, a, b in found) for _, start, _ in found) == 3
    assert not any("note" in text for text in texts)


def resources_of(folder, machine, *arguments):
    """The limits that Snakemake prints at its start."""
    text = snakemake(folder, machine, "--dry-run", *arguments, resources="gpu=9").stdout
    return set(re.findall(r"gpu=(\d+)", text))


@pytest.mark.parametrize(
    ("environment", "arguments", "limit"),
    [
        ({}, [], "3"),
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, [], "2"),
        ({"CUDA_VISIBLE_DEVICES": ""}, [], "9"),
        ({}, ["--resources", "gpu=1"], "1"),
        ({}, ["--executor", "slurm", "--jobs", "9"], "9"),
        ({"SNAKEMAKE_PROFILE": "cluster"}, [], "9"),
    ],
)
def test_the_profile_counts_the_gpus_of_local_runs(tmp_path, machine, environment, arguments, limit):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "config.yaml").write_text("__use_yte__: true\njobs: 9\n")
    assert resources_of(tmp_path, machine | environment, *arguments) == {limit}


def test_a_driver_that_does_not_answer_counts_as_no_gpu(tmp_path, machine):
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    assert list_gpus(machine) == []
    assert resources_of(tmp_path, machine) == {"9"}


def test_a_stage_takes_a_gpu_and_its_manifest_names_the_device(tmp_path, machine, held, monkeypatch):
    for device, visible in (("cpu", None), ("auto", "GPU-0")):
        monkeypatch.setenv("PATH", machine["PATH"])
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # so that the value of the stage is undone
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        settings = parse_settings(
            {
                "space": {"layers": 4, "base_width": 2},
                "latency": {"input_size": [64, 64], "min_run_seconds": 1e-6},
                "compute": {"threads": 1, "device": device},
            },
            "test.yaml",
        )
        outputs = {"table": tmp_path / "table.csv", "manifest": tmp_path / ".manifest.json"}
        assert main(stage_words("latency", settings, tmp_path / "log.txt", inputs={}, outputs=outputs)) == 0
        assert os.environ.get("CUDA_VISIBLE_DEVICES") == visible
        assert len(held) == (visible is not None)
        (found,) = read_manifest(outputs["manifest"]).devices
        assert found["name"] == device_name(torch.device("cpu"))  # the GPUs are pretended


def test_a_stage_chooses_before_pytorch_starts():
    """PyTorch reads `CUDA_VISIBLE_DEVICES` once."""
    program = "import sys, lbt.commands.stage, lbt.stages.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
