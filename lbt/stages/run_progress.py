"""The file `logs/progress.json` of a run: its process, its plan, and how many jobs are done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lbt.errors import LbtError
from lbt.files import read_json, write_text
from lbt.views.run_state import RUNNING

PROGRESS = "progress.json"
_LARGEST = 10_000_000
"""More jobs than any run has, for a file of somebody else."""


@dataclass(frozen=True)
class RunProgress:
    """What a running workflow knows of itself.

    Attributes:
        host, pid: of Snakemake.
        folders: from which jobs are submitted; see `lbt.stages.queue_watch.submission_folders`.
        started: when the first job could start, in seconds since 1970.
        state: `running`, `finished` or `failed`.
        done, total: jobs of this start.
        planned, ended: the same by stage.
        at_once: the most jobs that have worked on this machine at a time.
        typical: seconds that a job of each stage takes in a typical run of these settings.
    """

    host: str = ""
    pid: int = 0
    folders: Sequence[str] = ()
    started: float = 0.0
    state: str = RUNNING
    done: int = 0
    total: int = 0
    planned: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, int] = field(default_factory=dict)
    at_once: int = 0
    typical: Mapping[str, float] = field(default_factory=dict)

    def count(self, stage: str) -> RunProgress:
        """The same after a further job of a stage has ended."""
        return replace(self, ended={**self.ended, stage: self.ended.get(stage, 0) + 1})

    def write(self, logs: Path) -> None:
        """Write the file into the folder of the logs, atomically."""
        write_text(logs / PROGRESS, json.dumps(asdict(self)) + "\n")


def read_progress(logs: Path) -> RunProgress:
    """The file of a run, which may be a stranger's: what has another type than it should is left out.

    Raises:
        LbtError: no run has started in the folder, or the file is no JSON.
    """
    path = logs / PROGRESS
    if not path.exists():
        raise LbtError(f"{path}: is missing, so no run has started in {logs.parent}. Name the folder of a run.")
    content = read_json(path)
    content = content if isinstance(content, dict) else {}
    counts = _numbers(content)
    started, folders = content.get("started"), content.get("folders")
    return RunProgress(
        host=str(content.get("host", "")),
        pid=int(counts.get("pid", 0)),
        folders=[name for name in folders if isinstance(name, str)] if isinstance(folders, list) else (),
        started=float(started) if isinstance(started, int | float) else 0.0,
        state=str(content.get("state", RUNNING)),
        done=int(counts.get("done", 0)),
        total=int(counts.get("total", 0)),
        planned={name: int(number) for name, number in _numbers(content.get("planned")).items()},
        ended={name: int(number) for name, number in _numbers(content.get("ended")).items()},
        at_once=int(counts.get("at_once", 0)),
        typical=_numbers(content.get("typical")),
    )


def _numbers(content: Any) -> dict[str, float]:
    """The values of a mapping that can be numbers of jobs, processes or seconds."""
    return {name: value for name, value in content.items() if _is_count(value)} if isinstance(content, dict) else {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST
