"""Questions to Slurm: how a job ended, and which jobs of a folder wait for what."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from lbt.errors import visible

_PATIENCE = 20
"""Seconds to wait for an answer of Slurm; a controller under load takes some."""
_NUMBER = re.compile(r"\d+(_\d+)?")
_FIELDS = ("%i", "%T", "%M", "%N", "%r", "%k", "%Z")
"""For squeue: number, state, time since the start, nodes, reason, comment, working directory."""

_LIMIT = "It asks for more than a limit of its account or quality of service, or others of the group use that limit up"
_HOPELESS = {
    r"Partition(Config|NodeLimit|TimeLimit)": "It asks for more CPUs, memory, nodes or time than the partition has",
    r"Partition(Down|Inactive)": "The partition is closed",
    r"BadConstraints": "No node has everything that it asks for",
    r"ReqNodeNotAvail|NodeDown|FrontEndDown": "The nodes that could run it are down, drained or reserved",
    r"Invalid(Account|QOS)|(Account|QOS)NotAllowed": "Slurm refuses its account or quality of service",
    r"(Assoc|QOS)(Max|Min)\w+Per(Job|Node)|QOSMin|MaxMemPerLimit|(Assoc|QOS)Grp(?!(Submit)?Jobs)": _LIMIT,
    r"(Association|QOS)(Resource|Time)Limit|QOSUsageThreshold|AccountingPolicy": _LIMIT,
    r"DependencyNeverSatisfied": "The job that it waits for has failed",
    r".*([Hh]eld|JobHoldMaxRequeue)|ReservationDeleted": "It is held until somebody releases it",
}
"""Reasons of squeue that hardly pass by waiting, as regular expressions of their beginning."""

_ENDS = {
    "TIMEOUT": "its time limit was reached. Raise `runtime` of its rule",
    "DEADLINE": "its deadline was reached. Raise `runtime` of its rule",
    "OUT_OF_MEMORY": "it used more memory than it had asked for. Raise `mem_mb` of its rule",
    "CANCELLED": "it was cancelled (scancel). Repeat the command if that was not meant",
    "NODE_FAIL": "its node was lost. Repeat the command",
    "BOOT_FAIL": "its node did not start. Repeat the command",
    "PREEMPTED": "a job with a higher priority took its place. Repeat the command",
}
_PROFILE = " in the profile `slurm`, and repeat the command"


@dataclass(frozen=True)
class QueuedJob:
    """A job in Slurm's queue.

    Attributes:
        number: Slurm's number.
        state: such as `PENDING` or `RUNNING`.
        time: how long it runs, as Slurm writes it.
        nodes: where it runs.
        reason: why it waits, in Slurm's word.
        name: rule and wildcards.
    """

    number: str
    state: str
    time: str
    nodes: str
    reason: str
    name: str

    @property
    def waits(self) -> bool:
        """Whether it has not started yet."""
        return self.state == "PENDING"

    @property
    def hopeless(self) -> str:
        """Why it cannot start as it is; empty if it only waits for its turn."""
        return next((text for reason, text in _HOPELESS.items() if re.match(reason, self.reason)), "")


def queued_jobs(folders: Sequence[str]) -> list[QueuedJob] | None:
    """The user's jobs that were submitted from a folder; None where Slurm is absent or does not answer.

    Args:
        folders: absolute names of the folder.
    """
    answer = _ask("squeue", "--me", "--noheader", f"--format={'|'.join(_FIELDS)}")
    if answer is None:
        return None
    found = []
    for line in answer.splitlines():
        *fields, directory = line.split("|", len(_FIELDS) - 1)
        if len(fields) == len(_FIELDS) - 1 and directory in folders:
            number, state, time, nodes, reason, comment = fields
            name = visible(comment.removeprefix("rule_").replace("_wildcards_", " "))
            found.append(QueuedJob(number, state, time, nodes, reason, name))
    return found


def end_state(number: str) -> str:
    """How a job ended, such as `TIMEOUT` or `CANCELLED`; empty if Slurm does not know (any longer)."""
    if not _NUMBER.fullmatch(number):  # a file names it, which may be anybody's
        return ""
    options = ("--noheader", "--allocations", "--parsable2", "--format=State")
    found = re.match(r"[A-Z_]+", _ask("sacct", *options, f"--jobs={number}") or "")
    if found is None or found[0] in ("PENDING", "RUNNING", "COMPLETING"):  # the database is late
        found = re.search(r"(?<=\bJobState=)[A-Z_]+", _ask("scontrol", "show", "job", "--oneliner", number) or "")
    return found[0] if found else ""


def gpus_of_cluster() -> bool:
    """Whether a node of the cluster has GPUs; False where there is no Slurm."""
    return "gpu" in (_ask("sinfo", "--noheader", "--format=%G") or "")


def explain_end(number: str, state: str) -> str:
    """One sentence on a job that Slurm ended; empty if the job failed by itself."""
    if state not in _ENDS:
        return ""
    reason = _ENDS[state]
    return f"Slurm job {number} ended as {state}: {reason}{_PROFILE if 'Raise' in reason else ''}."


def _ask(*command: str) -> str | None:
    """The output of a command of Slurm; None if it is absent, fails or does not answer."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, errors="replace", check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
