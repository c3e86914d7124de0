"""A GPU of its own for each job of this machine.

Snakemake counts GPUs but does not name them (github.com/snakemake/snakemake/issues/281). So a job takes free ones by a
lock on a file per GPU, and sees only these. It does so before PyTorch starts, which reads `CUDA_VISIBLE_DEVICES` once.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path

from filelock import FileLock, Timeout

from lbt.errors import LbtError

VISIBLE = "CUDA_VISIBLE_DEVICES"
PAUSE = 1.0
"""Seconds between two looks for a free GPU."""
_HELD: list[FileLock] = []
"""The locks of this process. The system frees them when it ends, however it ends."""


def list_gpus(environment: MutableMapping[str, str] = os.environ) -> list[str]:
    """Names of the GPUs that a job may use: those that `CUDA_VISIBLE_DEVICES` lists, or else all NVIDIA GPUs."""
    if VISIBLE in environment:
        names = [name.strip() for name in environment[VISIBLE].split(",")]
        return names[: names.index("-1")] if "-1" in names else [name for name in names if name]
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(environment), check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()


def take_gpus(
    count: int,
    *,
    first: bool = False,
    note: Callable[[str], None] = lambda text: None,
    environment: MutableMapping[str, str] = os.environ,
) -> list[str]:
    """Wait for free GPUs, and show only these to this process and its children until it ends.

    With one GPU or none there is nothing to choose, so nothing is locked. Jobs of Slurm see the GPUs that Slurm chose,
    by numbers that are not unique on the machine; only jobs inside one allocation share them out.

    Args:
        count: number of GPUs; if there are fewer, all of them.
        first: take the first ones of the list, so that all such jobs measure the same GPUs.
        note: is told in a line if this job has to wait.
        environment: receives `CUDA_VISIBLE_DEVICES`.

    Returns:
        Names of the GPUs.

    Raises:
        LbtError: the folder of the locks cannot be written.
    """
    names = list_gpus(environment)
    if len(names) < 2:
        return names
    count = min(count, len(names))
    locks = [FileLock(lock_folder(environment) / name.replace("/", "_"), timeout=0) for name in names]
    waited = False
    while True:
        taken: list[str] = []
        for name, lock in list(zip(names, locks, strict=True))[: count if first else None]:
            try:
                lock.acquire()
            except Timeout:
                continue
            except OSError as error:
                raise LbtError(
                    f"{lock.lock_file}: could not be locked ({error.strerror}), so GPUs cannot be shared out. Make its "
                    f"folder writable, or name one GPU for each run in {VISIBLE}."
                ) from error
            taken.append(name)
            if len(taken) == count:
                _HELD.extend(lock for lock in locks if lock.is_locked)
                environment[VISIBLE] = ",".join(taken)
                return taken
        for lock in locks:
            lock.release()
        if not waited:
            note(f"waits for {count} free GPU(s) of {len(names)}; other jobs use the others")
            waited = True
        time.sleep(PAUSE)


def lock_folder(environment: MutableMapping[str, str] = os.environ) -> Path:
    """The folder of the locks of this user on this machine, or of one allocation of Slurm."""
    allocation = environment.get("SLURM_JOB_ID")
    name = f"lbt-gpus-{os.getuid()}" + (f"-{allocation}" if allocation else "")
    folder = Path(tempfile.gettempdir(), name)
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError as error:
        raise LbtError(
            f"{folder}: could not be made ({error.strerror}), so GPUs cannot be shared out. Set TMPDIR to a folder "
            "that can be written."
        ) from error
    return folder
