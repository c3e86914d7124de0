"""The small file that a job leaves beside its log: it says that the job is at work, or why it failed.

It also remembers what the job was, so that the next attempt of the same run need not find the same fault again.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lbt.errors import SIGNAL, LbtError, explain_machine, visible
from lbt.files import digest, open_regular, write_text

ENDING = ".error"
KILLED = "It ended without a message. It was killed, possibly because memory or its time ran out."
_LONGEST = 1_000_000  # bytes of a message that is read

RUNNING, REFUSED, STOPPED, DEFECT, NOT_STARTED = "running", "refused", "stopped", "defect", "not started"


@dataclass(frozen=True)
class JobMessage:
    """What a job says about itself.

    Attributes:
        text: what to tell the user.
        kind: `running` until the job ends, and so after it was killed; `refused` by an LbtError; `stopped` if a signal
            ended it or one of its processes; `defect` for any other exception; `not started` if the job itself could
            write nothing.
        job: digest of the job's description and of the state of its inputs.
        stage: of the job.
        host, pid, started: the process, and when it started in seconds since 1970.
        slurm_job: Slurm's number of the job; empty outside of Slurm.
        slurm_state: how Slurm says that it ended, such as `TIMEOUT`; empty if nobody has asked yet.
    """

    text: str = KILLED
    kind: str = RUNNING
    job: str = ""
    stage: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0
    slurm_job: str = ""
    slurm_state: str = ""


def message_file(log: Path) -> Path:
    """The file of the message of the job with this log."""
    return log.with_suffix(ENDING)


def describe_job(description: str) -> str:
    """Digest of a job's description and of size and time stamp of its inputs.

    Args:
        description: the JSON of `lbt.stages.run.Job`.
    """
    named = json.loads(description).get("inputs", {})
    paths = [path for value in named.values() for path in ([value] if isinstance(value, str) else value)]
    return digest([description, [_state_of(path) for path in paths]])


def _state_of(path: str) -> list[int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return [found.st_size, found.st_mtime_ns]
    return None


@contextmanager
def leave_message(log: Path, job: str = "", stage: str = "") -> Iterator[None]:
    """While a job runs, and after it failed, a file beside its log says so and why.

    Until the job ends, the file says that it was killed, because a killed job cannot write anything.

    Args:
        log: the job's log.
        job: its digest, see `describe_job`.
        stage: its stage.
    """
    slurm_job = os.environ.get("SLURM_JOB_ID", "")
    started = JobMessage(KILLED, RUNNING, job, stage, socket.gethostname(), os.getpid(), time.time(), slurm_job)
    write_message(log, started)
    try:
        yield
    except BaseException as error:
        write_message(log, replace(started, text=_text_of(error), kind=_kind_of(error)))
        raise
    message_file(log).unlink(missing_ok=True)


def _kind_of(error: BaseException) -> str:
    if not isinstance(error, LbtError):
        return STOPPED if isinstance(error, KeyboardInterrupt) else DEFECT
    return STOPPED if error.exit_code > SIGNAL else REFUSED


def _text_of(error: BaseException) -> str:
    if isinstance(error, LbtError):
        return str(error)
    return explain_machine(error) or f"{type(error).__name__}: {error}"


def refuse_repetition(log: Path, job: str) -> None:
    """End an attempt at once whose predecessor ended in a way that the same job would end again.

    Out of memory, out of time, a lost node and unexpected errors are no such ways.

    Args:
        log: the job's log.
        job: its digest, see `describe_job`.

    Raises:
        LbtError: the previous attempt's message.
    """
    earlier = read_message(message_file(log))
    if earlier is None or earlier.job not in ("", job):
        return
    if earlier.slurm_state == "CANCELLED":
        raise LbtError(f"Slurm job {earlier.slurm_job} was cancelled, so its retry does not start.")
    if earlier.kind == REFUSED:
        raise LbtError(*earlier.text.splitlines())


def write_message(log: Path, message: JobMessage) -> None:
    """Write a job's message. A message that cannot be written must not hide the error itself."""
    with suppress(LbtError):
        write_text(message_file(log), json.dumps(asdict(message)) + "\n")


def read_message(path: Path) -> JobMessage | None:
    """The message in a file; None if there is none. A file that holds something else is a text."""
    try:
        with open(path, encoding="utf-8", errors="replace", opener=open_regular) as file:
            text = file.read(_LONGEST)
    except OSError:
        return None
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return JobMessage(_shown(text.strip()) or KILLED)
    fields = asdict(JobMessage())
    fitting = {name: found[name] for name, value in fields.items() if isinstance(found.get(name), type(value))}
    return JobMessage(**fields | {k: _shown(v) if isinstance(v, str) else v for k, v in fitting.items()})


def _shown(text: str) -> str:
    """Text without the control characters with which a stranger's file could rewrite the terminal."""
    return "\n".join(map(visible, text.splitlines()))


def find_messages(logs: Path) -> dict[str, JobMessage]:
    """The messages of all jobs that run or failed, by the name of the log without its ending, sorted."""
    read = {path.stem: read_message(path) for path in sorted(logs.glob(f"*{ENDING}"))}
    return {name: message for name, message in read.items() if message is not None}


def forget_messages(logs: Path) -> None:
    """Remove the messages of an earlier run."""
    for path in logs.glob(f"*{ENDING}"):
        path.unlink(missing_ok=True)
