"""One process at a time for the outputs of a stage.

Snakemake's own lock ends with Snakemake, and `--unlock` lifts it. The stage that it had started lives on, on this
machine or on a node of a cluster, and would later replace newer outputs by its own.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lbt.errors import LbtError

PATIENCE = 10.0
"""Seconds to wait for a process that may be about to end."""
PATIENCE_ELSEWHERE = 120.0
"""The same for a process on another machine: a file server finds out late that a node was lost."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(manifest: Path) -> Iterator[None]:
    """Hold the lock of a stage, a hidden file beside its manifest.

    The lock ends with its process, however it ends. Between the nodes of a cluster it holds on a file system that
    passes locks on (NFS, Lustre with `flock`). On a file system without locks, a line says that two runs of one folder
    are not kept apart.

    Raises:
        LbtError: another process is still at work on these outputs, or the folder cannot be written.
    """
    path = manifest.with_name(f".{manifest.name}.lock")
    lock = FileLock(path, fallback_to_soft=False, poll_interval=0.2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, path)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise LbtError(f"{path}: could not be locked ({error.strerror}). Choose another place.") from error
        print(f"{path.parent}: this file system has no locks; start no second run on this folder.", file=sys.stderr)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # a process that waits for it notices, and opens a new file
        lock.release()


def _acquire(lock: FileLock, path: Path) -> None:
    """Acquire the lock, and leave in its file who holds it."""
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        here = _read_holder(path).get("host") == socket.gethostname()
        try:
            lock.acquire(timeout=0 if here else PATIENCE_ELSEWHERE)
        except Timeout:
            raise LbtError(_describe_holder(path)) from None
    job = os.environ.get("SLURM_JOB_ID")
    path.write_text(
        json.dumps({"host": socket.gethostname(), "pid": os.getpid()} | ({"slurm_job": job} if job else {}))
    )


def _read_holder(path: Path) -> dict[str, object]:
    try:
        holder = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _describe_holder(path: Path) -> str:
    pid, host, job = (_read_holder(path).get(key) for key in ("pid", "host", "slurm_job"))
    who, stop = f"process {pid} on {host}", f"`kill {pid}` there"
    if job is not None:
        who, stop = f"Slurm job {job} on {host}", f"`scancel {job}`"
    return (
        f"{path.parent}: {who} is still at work on this stage. Either another run uses the folder, or the process "
        f"outlived its Snakemake. Wait until it ends, or stop it with {stop}, and repeat the command."
    )
