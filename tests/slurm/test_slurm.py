"""The workflow on a real Slurm: `snakemake --cores 8 --profile slurm`, checked against Slurm's own records."""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import torch
import yaml
import yte
from cluster import Cluster, why_not
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.config.read import parse_settings
from lbt.stages.up_to_date import describe_present

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ["snakemake", "--cores", "8", "--profile", "slurm", "--configfile", "tiny.yaml"]
OFTEN = ["--slurm-init-seconds-before-status-checks", "5"]
TIMEOUT = 600
SQUEUE = 'squeue --me -o "%i %T %M %l %R %k"'  # of workflow/README.md
LINES_OF_A_FAILURE = 15


@pytest.fixture(scope="module")
def alone():
    """Only one test process at a time, because /etc/slurm and the ports exist once."""
    reason = why_not()
    if reason is not None and "runs here already" not in reason and "another cluster" not in reason:
        pytest.skip(reason)
    with open("/tmp/lbt-test-cluster.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reason = why_not()
        if reason is not None:
            pytest.skip(reason)
        yield


def tiny(*, seed: int = 0, epochs: float = 0.25, gpus: int = 1, threads: int = 2) -> dict:
    settings = yaml.safe_load((ROOT / "tests" / "workflow" / "tiny.yaml").read_text())
    settings |= {"seeds": [seed], "compute": {"threads": threads, "device": "auto"}}
    settings["warmup"] |= {"epochs": epochs, "gpus": gpus}
    return settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A copy of the project with the outputs of the first stages, which therefore need no jobs."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("workflow", "lbt", "config", "slurm", "environment.yml"):
        take = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        take(ROOT / name, folder / name)
    settings, before = parse_settings(tiny(), "tiny.yaml"), Path.cwd()
    os.chdir(folder)
    try:
        for stage, name, output, manifest in (
            ("scenes", "listing", "results/data/tiny/scenes.json", "results/data/tiny/.manifest.json"),
            ("check", "report", "results/tiny/data/check.json", "results/tiny/data/.manifest-check.json"),
            ("split", "split", "results/tiny/data/split.csv", "results/tiny/data/.manifest.json"),
        ):
            log, outputs = f"results/tiny/logs/{stage}.log", {name: output, "manifest": manifest}
            code = describe_present(settings, None, stage, {})["code"]
            assert main(stage_words(stage, settings, log, inputs={}, outputs=outputs, code=code)) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture(scope="class")
def gpu_cluster(alone, folder, tmp_path_factory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("slurm"), gpus=(2, 2)) as cluster:
        yield cluster


@contextmanager
def started(folder: Path, *arguments: str, **settings) -> Iterator[subprocess.Popen]:
    """Snakemake, which is killed at the end of the block; its output goes to `run.log`."""
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny(**settings)))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # if another process uses a core, two threads that spin while they wait need minutes for a step
    environment = os.environ | {"PATH": path, "OMP_WAIT_POLICY": "passive"}
    environment.pop("PYTHONPATH", None)
    with open(folder / "run.log", "w") as log:
        command = [*COMMAND, *OFTEN, *arguments]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(process: subprocess.Popen, folder: Path, what: Callable[[], object]) -> None:
    end = time.monotonic() + TIMEOUT
    while not what():
        assert process.poll() is None and time.monotonic() < end, (folder / "run.log").read_text()[-4000:]
        time.sleep(0.5)


def seconds_of(completed: dict[str, str]) -> float:
    start, end = (datetime.fromisoformat(completed[key]) for key in ("StartTime", "EndTime"))
    return (end - start).total_seconds()


def jobs_alone(jobs: dict[str, dict[str, str]]) -> set[str]:
    """Comments of the jobs that share their node with no other."""
    return {job["Comment"] for job in jobs.values() if job["OverSubscribe"] == "NO"}


def profile(folder: Path) -> dict:
    with open(folder / "slurm") as file:
        return yte.process_yaml(file, require_use_yte=True)


def run(folder: Path, *arguments: str, **settings) -> tuple[int, str, dict[str, str]]:
    """Exit code, output, and the comment of each Slurm job by its number."""
    with started(folder, *arguments, **settings) as process:
        code = process.wait(TIMEOUT)
    text = (folder / "run.log").read_text()
    submitted = re.findall(r"SLURM jobid (\d+) \(log: .*/slurm_logs/(rule_\w+(?:/\w+)?)/\d+\.log", text)
    return code, text, {number: name.replace("/", "_wildcards_") for number, name in submitted}


class TestWithoutAccounting:
    """Without accounting, and with two nodes of two CPUs and two pretended GPUs each."""

    def test_jobs_get_the_threads_memory_and_gpus_that_they_request(self, gpu_cluster, folder):
        assert profile(folder)["slurm-status-command"] == "squeue"
        code, text, submitted = run(folder, "--until", "warmup", "latency", "evaluate_constant")
        assert code == 0, text[-4000:]
        asked = {  # processors, memory, limit, GPUs; `--cores 8` is more than a node has
            "rule_warmup_wildcards_0": ("2", "16000M", "2-00:00:00", "gres:gpu:1"),
            "rule_latency": ("2", "8000M", "04:00:00", "gres:gpu:1"),
            "rule_class_pixels": ("1", "4000M", "01:00:00", None),
            "rule_evaluate_constant": ("1", "4000M", "01:00:00", None),
        }
        assert set(submitted.values()) == set(asked)
        jobs, completed = gpu_cluster.jobs(), gpu_cluster.completed()
        for number, name in submitted.items():
            job = jobs[number]
            assert job["Comment"] == name and job["Requeue"] == "1" and job["JobName"].startswith("lbt_")
            assert job["NumNodes"] == "1"
            assert (job["NumCPUs"], job["MinMemoryNode"], job["TimeLimit"], job.get("TresPerJob")) == asked[name], name
            assert completed[number]["JobState"] == "COMPLETED"
            assert completed[number]["NodeList"] in gpu_cluster.gpus and completed[number]["ProcCnt"] == job["NumCPUs"]
        assert jobs_alone(jobs) == {"rule_latency"}
        assert not [line for line in text.splitlines() if "account" in line or "settings" in line or len(line) > 300]
        assert (folder / "results/tiny/warmup/seed-0/checkpoint.pt").exists()

    @pytest.mark.exhaustive
    def test_a_warned_job_saves_its_state_and_resumes_after_its_node_was_lost(self, gpu_cluster, folder):
        """Slurm's warning goes to every process of the job; it must end neither Snakemake nor a shell."""
        log = folder / "results/tiny/logs/warmup-seed-7.log"
        saved = folder / "results/tiny/warmup/seed-7/checkpoint.pt.resume"
        with started(folder, "--until", "warmup", "--nolock", seed=7, epochs=400) as process:

            def says(text):
                return log.exists() and text in log.read_text()

            wait_for(process, folder, lambda: says("step 1/"))
            ((number, job),) = ((n, job) for n, job in gpu_cluster.jobs().items() if job["JobState"] == "RUNNING")
            assert job["Comment"] == "rule_warmup_wildcards_7" and not saved.exists()
            subprocess.run(["scancel", "--signal=USR1", number], check=True)
            wait_for(process, folder, saved.exists)
            time.sleep(1)
            assert gpu_cluster.jobs()[number]["JobState"] == "RUNNING", Path(job["StdOut"]).read_text()[-4000:]

            subprocess.run(["scontrol", "requeue", number], check=True)
            wait_for(process, folder, lambda: says("resumes after step"))
            assert gpu_cluster.jobs()[number]["Restarts"] == "1"
            listed = subprocess.run(shlex.split(SQUEUE), check=True, capture_output=True, text=True).stdout
            assert re.search(rf"^{number} RUNNING .* rule_warmup_wildcards_7$", listed, re.MULTILINE)
            subprocess.run(["scancel", number], check=True)

    @pytest.mark.exhaustive
    @pytest.mark.skipif(torch.cuda.device_count() > 1, reason="the GPUs are there, and the job does not fail")
    def test_the_summary_of_a_job_that_fails_twice_has_its_message_log_and_command(self, gpu_cluster, folder):
        # the plugin waits 10 s longer after each check without success, and again at the end
        often = ("--slurm-init-seconds-before-status-checks", "1")
        code, text, submitted = run(folder, *often, "--until", "warmup", "--retries", "1", seed=2, gpus=2, threads=1)
        assert code != 0
        shown, summary = text.split("\n1 job failed.\n")
        assert "\nwarmup-seed-2\n  warmup.gpus: 2 GPUs are wanted, this machine " in summary
        assert "log: results/tiny/logs/warmup-seed-2.log\n" in summary
        assert " ".join(COMMAND) in summary and "Traceback" not in summary
        for error in shown.split("Error in rule")[1:]:
            assert len(error.split("\nTrying to restart")[0].splitlines()) <= LINES_OF_A_FAILURE, error
        assert "--job" not in text and "CUDA_HOME" not in text
        jobs, completed = gpu_cluster.jobs(), gpu_cluster.completed()
        assert [jobs[number]["MinMemoryNode"] for number in submitted] == ["16000M", "32000M"]
        for number in submitted:
            assert completed[number]["JobState"] == "FAILED" and completed[number]["NodeList"] in gpu_cluster.gpus
            assert (jobs[number]["NumNodes"], jobs[number]["TresPerJob"]) == ("1", "gres:gpu:2")
        first, second = (seconds_of(completed[number]) for number in sorted(submitted, key=int))
        assert second < 60, (first, second)

    @pytest.mark.exhaustive
    def test_more_gpus_than_any_node_has_are_refused(self, gpu_cluster, folder):
        code, text, submitted = run(folder, "--until", "warmup", "--retries", "0", seed=3, gpus=4)
        assert code != 0 and not submitted, text[-4000:]
        refusal = (
            "warmup needs 8 CPUs (compute.threads: 2, warmup.gpus: 4), but the largest node of its partition has 2"
        )
        assert refusal in text

    @pytest.mark.exhaustive
    def test_a_cancelled_job_is_named_and_its_retry_ends_at_once(self, gpu_cluster, folder):
        with started(folder, "--until", "warmup", "--retries", "1", "--nolock", seed=8, epochs=400) as process:
            log = folder / "results/tiny/logs/warmup-seed-8.log"
            wait_for(process, folder, lambda: log.exists() and "step 1/" in log.read_text())
            ((number, _),) = ((n, job) for n, job in gpu_cluster.jobs().items() if job["JobState"] == "RUNNING")
            subprocess.run(["scancel", number], check=True)
            assert process.wait(TIMEOUT) != 0
        text = (folder / "run.log").read_text()
        summary = text.split("\n1 job failed.\n")[1]
        assert f"warmup-seed-8\n  Slurm job {number} ended as CANCELLED: it was cancelled (scancel)." in summary
        last = max(gpu_cluster.completed(), key=int)
        assert last != number and seconds_of(gpu_cluster.completed()[last]) < 60


class TestOneNode:
    """Nodes of one, two and four CPUs, whose partition allows 30 minutes."""

    @pytest.mark.exhaustive
    @pytest.mark.parametrize("cpus", [1, 4])
    def test_the_measuring_jobs_run_on_small_nodes(self, alone, folder, tmp_path, cpus):
        with Cluster(tmp_path, cpus=cpus) as cluster:
            code, text, submitted = run(folder, "--until", "latency", "--forcerun", "latency", threads=1)
            assert code == 0, text[-4000:]
            ((number, name),) = submitted.items()
            assert name == "rule_latency" and cluster.completed()[number]["JobState"] == "COMPLETED"
            assert cluster.jobs()[number]["NumCPUs"] == str(cpus)  # the node is its own

    @pytest.mark.exhaustive
    def test_a_job_that_can_never_start_is_named_with_its_reason(self, alone, folder, tmp_path):
        arguments = ("--until", "class_pixels", "--forcerun", "class_pixels", "--nolock")
        with Cluster(tmp_path, longest="30") as cluster, started(folder, *arguments) as process:
            named = r"class_pixels \(Slurm job (\d+)\) cannot start: PartitionTimeLimit\. It asks for more"
            wait_for(process, folder, lambda: re.search(named, (folder / "run.log").read_text()))
            number = re.search(named, (folder / "run.log").read_text())[1]
            assert cluster.jobs()[number]["JobState"] == "PENDING"
            command = [sys.executable, "-m", "lbt", "status", "results/tiny"]
            status = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
            words = " ".join(status.split())  # lines end at the width of the terminal
            assert "results/tiny running 0 of 1 jobs done, 0 running, 1 in Slurm's queue" in words
            assert re.search(named, words)
            subprocess.run(["scancel", number], check=True)

    @pytest.mark.exhaustive
    def test_a_job_that_ran_out_of_time_is_named(self, alone, folder, tmp_path):
        short = ("--set-resources", "warmup:runtime=1", "warmup:slurm_extra=''", "warmup:mem_mb=4000")
        with Cluster(tmp_path):
            code, text, submitted = run(folder, "--until", "warmup", "--retries", "0", *short, seed=9, epochs=4000)
        ((number, _),) = submitted.items()
        assert code != 0
        said = f"warmup-seed-9\n  Slurm job {number} ended as TIMEOUT: its time limit was reached. Raise `runtime`"
        assert said in text.split("\n1 job failed.\n")[1]


@pytest.mark.exhaustive
def test_with_accounting_and_without_gpus(alone, folder, tmp_path):
    """The profile finds sacct, and requests no GPU because the cluster has none."""
    reason = why_not(accounting=True)
    if reason is not None and "runs here already" not in reason:
        pytest.skip(reason)
    with Cluster(tmp_path, accounting=True) as cluster:
        assert profile(folder)["slurm-status-command"] == "sacct"
        code, text, submitted = run(folder, "--until", "warmup", seed=1)
        assert code == 0, text[-4000:]
        accounts = cluster.accounts()
    resources = {name: accounts[number]["AllocTRES"] for number, name in submitted.items()}
    assert {accounts[number]["State"] for number in submitted} == {"COMPLETED"}
    assert {accounts[number]["Comment"] for number in submitted} == set(submitted.values())
    assert "cpu=2,mem=16000M" in resources["rule_warmup_wildcards_1"]
    assert not any("gpu" in resources[name] for name in submitted.values())
