"""After Snakemake, its job or both were killed, the same command ends with the same bytes."""

import os
import signal
import socket
import subprocess
import time
from copy import copy
from pathlib import Path

import psutil
import pytest
from clone import PYTHON, read_csv, with_value

FOLDER = Path("results/tiny/warmup/seed-0")


class Running:
    """Snakemake up to the warm-up, which has just saved its state.

    It runs in a new session, and its job is its own child instead of a fork, so that a signal to the session reaches
    both.
    """

    def __init__(self, clone) -> None:
        clone = copy(clone)
        clone.python = PYTHON
        side, self.folder = clone.folder / FOLDER / "checkpoint.pt.resume", clone.folder
        before = side.stat().st_mtime_ns if side.exists() else 0
        command = [clone.python, "-m", "snakemake", *clone.write_settings(), "--until", "warmup"]
        environment, quiet = clone.environment, subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, cwd=clone.folder, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
        )
        while not side.exists() or side.stat().st_mtime_ns == before:
            assert self.process.poll() is None, "Snakemake ended before its job saved a state"
            time.sleep(0.02)

    @property
    def job(self) -> psutil.Process:
        """The process of the stage."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return next(process for process in below if "stage" in process.cmdline()[:4])

    def kill_job(self) -> None:
        """Kill the job and wait for Snakemake."""
        self.job.kill()
        assert self.process.wait() != 0

    def kill_snakemake(self) -> psutil.Process:
        """Kill Snakemake alone; returns its job, which is suspended so that it does not end by itself."""
        job = self.job
        job.suspend()
        self.process.kill()
        self.process.wait()
        return job

    def kill_all(self) -> None:
        """Kill Snakemake and its job at once, as if the machine had stopped."""
        os.killpg(self.process.pid, signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL


def file_names(clone) -> list[str]:
    return sorted(path.name for path in (clone.folder / FOLDER).iterdir() if not path.name.startswith("."))


def rows_and_bytes(clone):
    return read_csv(clone.folder / FOLDER / "metrics.csv"), (clone.folder / FOLDER / "checkpoint.pt").read_bytes()


@pytest.fixture(scope="module")
def longer(finished, tmp_path_factory):
    """A finished run with a longer warm-up in its settings, and the result of an undisturbed longer warm-up."""
    clone = finished[0].copy(tmp_path_factory.mktemp("crash") / "clone")
    clone.settings = with_value(with_value(clone.settings, "warmup.epochs", 6), "compute.checkpoint_minutes", 0.0)
    whole = clone.copy(clone.folder.with_name("whole"))
    result = whole.snakemake("--until", "warmup")
    assert result.returncode == 0, result.stderr[-4000:]
    return clone, rows_and_bytes(whole)


@pytest.mark.exhaustive
def test_a_killed_job_and_a_stopped_machine_lose_no_result(longer):
    clone, expected = longer
    Running(clone).kill_job()
    assert file_names(clone) == ["checkpoint.pt.resume"]  # Snakemake deletes the declared outputs
    assert "warmup" in clone.would_rerun()

    job = Running(clone).kill_snakemake()
    assert clone.snakemake("--unlock").returncode == 0
    result = clone.snakemake("--until", "warmup")
    assert result.returncode != 0
    there = f"process {job.pid} on {socket.gethostname()} (`kill {job.pid}` there stops it)"
    assert f"{there} is still at work on this stage" in result.stderr
    job.kill()

    Running(clone).kill_all()
    assert "checkpoint.pt.resume" in file_names(clone)
    assert clone.snakemake("--unlock").returncode == 0
    result = clone.snakemake("--until", "warmup")
    assert result.returncode == 0, result.stderr[-4000:]
    assert "warmup seed-0: resumes after step" in (clone.folder / "results/tiny/logs/warmup-seed-0.log").read_text()
    assert rows_and_bytes(clone) == expected
    kept = {path.name for path in (clone.folder / FOLDER).iterdir()}
    assert kept == {"checkpoint.pt", ".manifest.json", "metrics.csv"}
    assert "warmup" not in clone.would_rerun("--until", "warmup")
