"""One process at a time for the outputs of a stage.

Snakemake's own lock ends with Snakemake, and `--unlock` lifts it; the stage that it had started lives on, on this
machine or on a node of the cluster, and would later put its outputs in the place of newer ones.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lbt.errors import LbtError

PATIENCE = 10.0
"""Seconds to wait for a process that may be about to end."""
PATIENCE_ELSEWHERE = 120.0
"""The same for one on another machine: a file server finds out late that a node was lost."""

_PAUSE = 0.2
_HELD = (errno.EACCES, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


def held(manifest: Path) -> bool:
    """Whether another process is at work on a stage's outputs."""
    try:
        file = os.open(_lock_of(manifest), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD
    finally:
        os.close(file)
    return False


@contextmanager
def locked(manifest: Path) -> Iterator[None]:
    """Hold the lock of a stage, a hidden file beside its manifest.

    The lock is a process's own, not inherited by its children, and ends with it, however it ends. It holds between the
    nodes of a cluster on a file system that passes locks on (NFS, Lustre with `flock`); on one without locks a line
    says that nothing watches over two runs of one folder.

    Raises:
        LbtError: another process is still at work on these outputs, or the folder cannot be written.
    """
    path = _lock_of(manifest)
    try:
        file = _acquire(path)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise LbtError(
                f"{path}: could not be written ({error.strerror}). Free space or choose another place."
            ) from error
        print(f"{path.parent}: this file system has no locks; start no second run on this folder.", file=sys.stderr)
        yield
        return
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def _lock_of(manifest: Path) -> Path:
    return manifest.with_name(f".{manifest.name}.lock")


def _acquire(path: Path) -> int:
    """Descriptor of the locked file, in which the holder says who it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(file, path):
                os.ftruncate(file, 0)
                os.pwrite(file, json.dumps(_self()).encode(), 0)
                return file
        except OSError as error:
            if error.errno not in _HELD:
                os.close(file)
                raise
            holder = _read(file)
            here = holder.get("host") == socket.gethostname()
            if time.monotonic() - started > (PATIENCE if here else PATIENCE_ELSEWHERE):
                os.close(file)
                raise LbtError(_refusal(path, holder)) from None
        os.close(file)
        time.sleep(_PAUSE)


def _is(file: int, path: Path) -> bool:
    """Whether the path still leads to the open file; its last holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _self() -> dict[str, str | int]:
    job = os.environ.get("SLURM_JOB_ID")
    return {"host": socket.gethostname(), "pid": os.getpid()} | ({"slurm_job": job} if job else {})


def _read(file: int) -> dict[str, str | int]:
    try:
        holder = json.loads(os.pread(file, 1000, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _refusal(path: Path, holder: dict[str, str | int]) -> str:
    pid, host, job = (holder.get(key) for key in ("pid", "host", "slurm_job"))
    who, end = f"process {pid} on {host}", f"`kill {pid}` there"
    if job is not None:
        who, end = f"Slurm job {job} on {host}", f"`scancel {job}`"
    return (
        f"{path.parent}: {who} is still at work on this stage. Another run uses the folder, or a Snakemake that was "
        f"killed has left it behind. Wait for its end, or end it with {end}, and repeat."
    )
