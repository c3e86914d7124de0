"""Loader processes with too little shared memory, or that die, end the stage with a message."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from lbt.config import AugmentationSettings
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.layouts import list_samples
from lbt.data.loader import training_loader
from lbt.data.loader_processes import reserve_memory
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


LITTLE = ("16k", "150k", "300k")


@pytest.mark.usefixtures("_namespaces")
@pytest.mark.parametrize(
    ("size", "check"),
    [
        ("300k", "unchecked"),
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


def test_the_batches_of_all_open_loaders_count(monkeypatch):
    monkeypatch.setattr("lbt.data.loader_processes.free_memory", lambda: 100 * 2**20)
    with reserve_memory(10 * 2**20, 3):  # 2 batches of each process, and the one that is used
        too_little = pytest.raises(LbtError, match=r"100\.0 MB of shared memory are .* need 120\.0 MB\. .*workers")
        with too_little, reserve_memory(10 * 2**20, 2):
            pass
        with reserve_memory(10 * 2**20, 1):
            pass
    with reserve_memory(10 * 2**20, 4):
        pass


def test_a_killed_loader_process_ends_in_a_message(cityscapes):
    dataset = SegmentationDataset(list_samples(cityscapes, "train"), cityscapes, class_table(cityscapes))
    dataset.__class__ = Dying
    options = {"crop": (32, 48), "batch_size": 2, "seed": 0, "steps": 50, "workers": 1}
    with pytest.raises(LbtError, match=r"A loader process failed: DataLoader worker .*memory ran out") as caught:
        list(training_loader(dataset, data=cityscapes, augmentation=AugmentationSettings(), **options))
    assert caught.value.exit_code == 137


class Dying(SegmentationDataset):
    """A data set whose third image kills the process that reads it."""

    read = 0

    def __getitem__(self, index):
        self.read += 1
        if self.read > 3 and _in_worker():
            os.kill(os.getpid(), 9)
        return super().__getitem__(index)


def _in_worker() -> bool:
    from torch.utils.data import get_worker_info

    return get_worker_info() is not None
