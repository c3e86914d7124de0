"""One process at a time for the outputs of a stage.

Snakemake's own lock ends with Snakemake, and `--unlock` lifts it. The stage that it had started lives on, on this
machine or on a node of a cluster, and would later replace newer outputs by its own.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from lbt.errors import LbtError
from lbt.files import open_own

PATIENCE = 10.0
"""Seconds to wait for a process that may be about to end."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(manifest: Path) -> Iterator[None]:
    """Hold the lock of a stage, a file beside its manifest that names the process, hidden as that is.

    The lock ends with its process, however it ends. Between the nodes of a cluster it holds on a file system that
    passes locks on (NFS, Lustre with `flock`). On a file system without locks, a line says that two runs of one folder
    are not kept apart.

    Raises:
        LbtError: another process is still at work on these outputs, the folder cannot be written, or the file is a
            link, whose target must not change.
    """
    path = manifest.with_name(f"{manifest.name}.lock")
    lock = FileLock(path, fallback_to_soft=False, poll_interval=0.2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
        with open(path, "w", encoding="utf-8", opener=open_own) as file:
            file.write(_name_process())
    except Timeout:
        holder = ""
        with suppress(OSError), open(path, encoding="utf-8", errors="replace", opener=open_own) as file:
            holder = file.read(300)
        raise LbtError(
            f"{path.parent}: {holder or 'another process'} is still at work on this stage. Either another run uses the "
            "folder, or the process outlived its Snakemake. Wait until it ends, or stop it, and repeat the command."
        ) from None
    except OSError as error:
        lock.release()
        if error.errno not in _NO_LOCKS:
            raise LbtError(
                f"{path}: could not be locked ({error.strerror}). Delete it, or choose another place."
            ) from error
        print(f"{path.parent}: this file system has no locks; start no second run on this folder.", file=sys.stderr)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # a process that waits for it notices, and opens a new file
        lock.release()


def _name_process() -> str:
    """This process, and how to stop it."""
    host, process = socket.gethostname(), os.getpid()
    if job := os.environ.get("SLURM_JOB_ID"):
        return f"Slurm job {job} on {host} (`scancel {job}` stops it)"
    return f"process {process} on {host} (`kill {process}` there stops it)"
