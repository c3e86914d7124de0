"""The log of a job as the run reads it: how far the job is, and how long it took."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lbt.errors import visible
from lbt.files import open_own, open_regular
from lbt.runtime.progress import Step, read_step

_TAIL = 4096
"""Bytes of a log that are read: its last lines."""
_END = re.compile(r"(?P<stage>\w{1,40}) finished after (?P<seconds>\d{1,9}\.\d) s")


@dataclass(frozen=True)
class JobLog:
    """The end of a log.

    Attributes:
        step: the last progress line; None if there is none.
        changed: when the log was written last, in seconds since 1970.
        stage: of a job that has ended; empty for another one.
        seconds: that it took.
    """

    step: Step | None
    changed: float
    stage: str = ""
    seconds: float = 0.0


def note_end(log: Path, stage: str, seconds: float) -> None:
    """Append how long a job took, from which the run estimates its time left. A full disk must not fail the job."""
    with suppress(OSError), open(log, "a", encoding="utf-8", opener=open_own) as file:
        file.write(f"{stage} finished after {seconds:.1f} s\n")


def read_log(path: Path) -> JobLog | None:
    """The end of a log; None if there is none."""
    try:
        changed = path.stat().st_mtime
        with open(path, "rb", opener=open_regular) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read(_TAIL).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    steps = (read_step(visible(line)) for line in reversed(lines))
    step = next((found for found in steps if found is not None), None)
    end = _END.fullmatch(lines[-1]) if lines else None
    if end is None:
        return JobLog(step, changed)
    return JobLog(step, changed, end["stage"], float(end["seconds"]))


def read_times(logs: Path) -> Mapping[str, list[float]]:
    """Seconds of all jobs that have ended, also at earlier starts, by stage."""
    times: dict[str, list[float]] = {}
    for path in sorted(logs.glob("*.log")):
        found = read_log(path)
        if found is not None and found.stage:
            times.setdefault(found.stage, []).append(found.seconds)
    return times
