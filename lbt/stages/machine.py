"""What the machine or the cluster has, and whether a job fits it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from lbt.config import Settings
from lbt.errors import LbtError
from lbt.stages.slurm import gpus_of_cluster
from lbt.stages.table import STAGES

_HANDED_ON = "LBT_GPUS"
_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Of the drivers of NVIDIA, of NVIDIA below Windows, and of AMD."""
_LARGEST = {"node_cpus": "CPUs", "node_mem_mb": "MB of memory", "node_gpus": "GPUs"}


def may_have_gpus() -> bool:
    """Whether this machine has a GPU, or the cluster that it belongs to; PyTorch would take seconds to tell.

    The run hands the answer on to its jobs.
    """
    if _HANDED_ON not in os.environ:
        found = any(Path(device).exists() for device in _DEVICES) or gpus_of_cluster()
        os.environ[_HANDED_ON] = "1" if found else "0"
    return os.environ[_HANDED_ON] == "1"


def require_fit(stage: str, settings: Settings, threads: int, resources: Mapping[str, Any]) -> None:
    """Refuse a job that no node of the cluster can run, which otherwise would wait forever.

    Args:
        stage: of the job.
        settings: of the run.
        threads: of the job.
        resources: of the job. The profile adds `node_cpus`, `node_mem_mb` and `node_gpus`, those of the largest node;
            without them nothing is compared.

    Raises:
        LbtError: the job needs more than that, or measures time on fewer CPUs than it uses.
    """
    cpus = resources.get("cpus_per_task") or threads
    wanted = {"node_cpus": cpus, "node_mem_mb": resources.get("mem_mb"), "node_gpus": resources.get("gpu")}
    key = STAGES[stage].gpus
    processes = 1 if key is None else attrgetter(key)(settings)
    causes = {
        "node_cpus": f"compute.threads: {settings.compute.threads}" + (f" times {key}: {processes}" if key else ""),
        "node_mem_mb": f"`mem_mb` of the rule {stage} in the profile",
        "node_gpus": f"{key}: {processes}" if key else "compute.device",
    }
    for name, unit in _LARGEST.items():
        most, need = resources.get(name), wanted[name]
        if isinstance(most, int) and isinstance(need, int) and need > most and (name != "node_mem_mb" or most > 1):
            raise LbtError(
                f"{stage} needs {need} {unit} ({causes[name]}), but the largest node of its partition has {most}. "
                "Lower that, or name another `slurm_partition` in the profile `slurm`."
            )
