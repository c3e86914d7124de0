"""Loader processes with too little shared memory, or that die, end the stage with a message."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lbt.config import AugmentationSettings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.layouts import list_samples
from lbt.data.loader import training_loader
from lbt.data.loader_processes import load_ahead
from lbt.errors import LbtError

PROGRAM = """
import sys
import time
from lbt.config import AugmentationSettings, DataSettings
from lbt.data import loader, loader_processes
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.layouts import list_samples
from lbt.errors import LbtError

data = DataSettings.model_validate_json(sys.argv[1])
dataset = SegmentationDataset(list_samples(data, "train"), data, class_table(data))
if sys.argv[2] == "unchecked":  # what is free at the start may be used up later by somebody else
    loader_processes.free_memory = lambda: 2**40
options = {"crop": (32, 48), "batch_size": 4, "seed": 0, "steps": 50, "workers": 2}
try:
    for batch in loader.training_loader(dataset, data=data, augmentation=AugmentationSettings(), **options):
        time.sleep(0.1)  # the processes prepare batches meanwhile
except LbtError as error:
    print(error)
else:
    print("all batches")
"""


def unshare(size: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a /dev/shm of its own."""
    mount = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", mount, "sh", *command]
    return subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def _namespaces():
    if os.geteuid() != 0 or shutil.which("unshare") is None or unshare("1m", "true").returncode != 0:
        pytest.skip("a /dev/shm of its own needs root and mount namespaces")


LITTLE = ("16k", "50k", "100k")


@pytest.mark.usefixtures("_namespaces")
@pytest.mark.parametrize(
    ("size", "check"),
    [
        ("100k", "unchecked"),
        *(pytest.param(size, "checked", marks=pytest.mark.exhaustive) for size in LITTLE),
        *(pytest.param(size, "unchecked", marks=pytest.mark.exhaustive) for size in LITTLE[:2]),
    ],
)
def test_little_shared_memory_ends_in_a_message(cityscapes, size, check):
    done = unshare(size, sys.executable, "-c", PROGRAM, cityscapes.model_dump_json(), check)
    assert done.returncode == 0, done.stderr
    assert re.match(r"/dev/shm: .*`compute\.workers: 0`", done.stdout), done.stdout + done.stderr


@pytest.mark.exhaustive
@pytest.mark.usefixtures("_namespaces")
@pytest.mark.parametrize("check", ["checked", "unchecked"])
def test_enough_shared_memory_for_the_batches_is_enough(cityscapes, check):
    done = unshare("64m", sys.executable, "-c", PROGRAM, cityscapes.model_dump_json(), check)
    assert done.stdout == "all batches\n", done.stderr


def test_the_results_of_all_open_loaders_count(monkeypatch):
    monkeypatch.setattr("lbt.data.loader_processes.free_memory", lambda: 100 * 2**20)
    loaders = [load_ahead(torch.zeros, [10 * 2**18] * 20, 2) for _ in range(3)]  # 10 MB a result
    next(loaders[0])  # 2 results of each process, and the one that is used
    next(loaders[1])  # half of them, as there are two loaders
    with pytest.raises(LbtError, match=r"100\.0 MB of shared memory are .* need 110\.0 MB\. .*workers"):
        next(loaders[2])
    loaders[0].close()
    loaders[1].close()
    assert len(list(load_ahead(torch.zeros, [10 * 2**18] * 20, 2))) == 20


def identify(request: int) -> tuple[int, int]:
    time.sleep(0.01 * (request % 3))
    return request, os.getpid()


def test_all_loaders_of_a_job_share_its_processes_and_keep_the_order():
    loaders = [load_ahead(identify, range(30), 2) for _ in range(3)]
    found = list(zip(*loaders, strict=True))
    assert all(request == step for step, batch in enumerate(found) for request, _ in batch)
    later = list(load_ahead(identify, range(30), 2))
    processes = {process for batch in [*found, later] for _, process in batch}
    assert len(processes) == 2 and os.getpid() not in processes
    assert list(load_ahead(identify, range(3), 0)) == [(request, os.getpid()) for request in range(3)]


def fail(request: int) -> int:
    if request == 3:
        raise LbtError("image 3 is damaged")
    return request


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_in_the_place_of_its_result(workers):
    results = load_ahead(fail, range(6), workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LbtError, match=r"^image 3 is damaged$"):
        next(results)


def test_a_result_that_never_comes_ends_in_a_message(monkeypatch):
    monkeypatch.setattr("lbt.data.loader_processes.PATIENCE", 0.5)
    with pytest.raises(LbtError, match=r"A loader process failed: nothing came for 0\.5 seconds\. .*memory ran out"):
        next(load_ahead(time.sleep, [1000], 1))
    assert list(load_ahead(fail, range(3), 1)) == [0, 1, 2]  # by other processes


KILLED = """
import os, sys, time
from lbt.data.loader_processes import load_ahead
processes = load_ahead(type, [0] * 9, 2)
next(processes)
from multiprocessing import active_children
print(*(child.pid for child in active_children()), flush=True)
os.kill(os.getpid(), 9)
"""


def test_loader_processes_end_with_a_job_that_is_killed():
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, timeout=60, check=False)
    processes = done.stdout.split()
    assert done.returncode == -signal.SIGKILL and len(processes) == 2, done.stderr
    end = time.monotonic() + 10
    while any(Path(f"/proc/{process}").exists() for process in processes):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_killed_loader_process_ends_in_a_message(cityscapes):
    dataset = SegmentationDataset(list_samples(cityscapes, "train"), cityscapes, class_table(cityscapes))
    dataset.__class__ = Dying
    dataset.parent = os.getpid()
    options = {"crop": (32, 48), "batch_size": 2, "seed": 0, "steps": 50, "workers": 1}
    with pytest.raises(LbtError, match=r"A loader process failed: .* terminated abruptly .*memory ran out") as caught:
        list(training_loader(dataset, data=cityscapes, augmentation=AugmentationSettings(), **options))
    assert caught.value.exit_code == 137


class Dying(SegmentationDataset):
    """A data set whose third image kills the process that reads it."""

    read = 0

    def __getitem__(self, index):
        self.read += 1
        if self.read > 3 and os.getpid() != self.parent:
            os.kill(os.getpid(), 9)
        return super().__getitem__(index)
