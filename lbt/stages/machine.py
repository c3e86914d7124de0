"""The processors, memory and GPUs of the machine or the cluster, and whether a job fits them."""

from __future__ import annotations

import json
import os
from operator import attrgetter
from pathlib import Path

from lbt.config import Settings
from lbt.errors import LbtError
from lbt.stages.slurm import gpus_of_cluster
from lbt.stages.table import STAGES

LARGEST_NODES = "LBT_LARGEST_NODES"
"""Environment variable: `cpus` and `gpus` of the largest nodes, `cpu` and `gpu`, which the profile `slurm` sets."""
_GPUS = "LBT_HAS_GPUS"
_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Of the drivers of NVIDIA, of NVIDIA below Windows, and of AMD."""


def may_have_gpus() -> bool:
    """Whether this machine has a GPU, or the cluster that it belongs to; PyTorch would take seconds to tell.

    The run hands the answer on to its jobs.
    """
    if _GPUS not in os.environ:
        found = any(Path(device).exists() for device in _DEVICES) or gpus_of_cluster()
        os.environ[_GPUS] = "1" if found else "0"
    return os.environ[_GPUS] == "1"


def require_fit(stage: str, settings: Settings, *, on_gpu: bool) -> None:
    """Refuse a job that no node of the cluster can run, which otherwise would wait forever.

    Where no profile has named the largest nodes, nothing is compared.

    Args:
        stage: of the job.
        settings: of the run.
        on_gpu: whether the job asks for GPUs.

    Raises:
        LbtError: the job needs more CPUs or GPUs than the largest node of its partition has.
    """
    node = json.loads(os.environ.get(LARGEST_NODES, "{}")).get("gpu" if on_gpu else "cpu") or {}
    key, threads = STAGES[stage].gpus, settings.compute.threads
    processes = 1 if key is None else attrgetter(key)(settings)
    times = f", {key}: {processes}" if key else ""
    needs = {"cpus": (threads * processes, f"compute.threads: {threads}{times}")}
    if on_gpu:
        needs["gpus"] = (processes, f"{key}: {processes}" if key else "compute.device: auto or cuda")
    for name, (number, cause) in needs.items():
        if number > node.get(name, number):
            unit = name[:3].upper() + ("s" if number > 1 else "")
            raise LbtError(
                f"{stage} needs {number} {unit} ({cause}), but the largest node of its partition has {node[name]}. "
                "Lower these settings, or name another `slurm_partition` in the profile `slurm`."
            )
