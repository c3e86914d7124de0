"""How the processes of a stage start, fail and stop together."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from lbt.errors import LbtError
from lbt.runtime.distributed import group
from lbt.runtime.processes import run_together


def fail(how):
    """The last process fails while the others wait for it."""
    if group().rank == 1:
        if how == "expected":
            raise LbtError("image 7 is damaged. Replace it.")
        if how == "defect":
            raise ValueError("a defect")
        os.kill(os.getpid(), signal.SIGKILL)
    group().reduce_loss(torch.zeros(1))


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("expected", LbtError, r"^image 7 is damaged\. Replace it\.$"),
        (
            "defect",
            RuntimeError,
            r"^process 1 of 2:\nTraceback[\s\S]*ValueError: a defect\n$",
        ),
        ("killed", LbtError, r"^Process 1 of 2 ended without a message \(SIGKILL\)"),
    ],
)
def test_an_error_in_one_process_ends_all(how, kind, message):
    started = time.monotonic()
    with pytest.raises(kind, match=message):
        run_together(2, "cpu", fail, how)
    assert time.monotonic() - started < 100


def note(folder):
    """Write a file when SIGTERM comes, and wait for it."""
    here = group()

    def stop(*_):
        (folder / f"stopped-{here.rank}").touch()
        raise LbtError("saved after step 3")

    signal.signal(signal.SIGTERM, stop)
    here.any(False)
    (folder / f"ready-{here.rank}").touch()
    time.sleep(60)


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from lbt.runtime.processes import run_together
from test_processes import {work}
run_together(2, "cpu", {work}, Path({folder!r}))
"""


def sleep(folder):
    """Wait without a handler of its own."""
    group().any(False)
    (folder / f"ready-{group().rank}").touch()
    time.sleep(60)


@pytest.mark.parametrize("work", ["note", pytest.param("sleep", marks=pytest.mark.exhaustive)])
def test_a_signal_is_passed_on(tmp_path, work):
    code = PARENT.format(tests=os.path.dirname(__file__), work=work, folder=str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    while not all((tmp_path / f"ready-{rank}").exists() for rank in range(2)):
        assert parent.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    parent.send_signal(signal.SIGTERM)
    _, errors = parent.communicate(timeout=60)
    if work == "note":
        assert all((tmp_path / f"stopped-{rank}").exists() for rank in range(2))
        assert parent.returncode == 1 and "LbtError: saved after step 3" in errors
    else:
        assert parent.returncode == -signal.SIGTERM
