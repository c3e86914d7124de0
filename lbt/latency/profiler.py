"""Profile of a derived network or a baseline: measured latency, the table's prediction, parameters, MACs, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from lbt.baselines import build_network
from lbt.config.network_jobs import ProfileJob
from lbt.data.classes import class_table
from lbt.files import write_json
from lbt.latency.current_key import current_key
from lbt.latency.deployment import Deployment, Prepared
from lbt.latency.expected import genotype_latency
from lbt.latency.measuring import TURNS, time_prepared
from lbt.latency.parts import build_part, list_genotype_parts
from lbt.latency.table import read_table
from lbt.latency.timing import Call, time_passes
from lbt.network.genotype import read_genotype
from lbt.network.size import count_macs, count_parameters
from lbt.runtime.device import prepare_device
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        table: the latency table, measured on this device with these settings.
        profile: receives the profile as JSON.
        genotype: the discrete architecture; None for the baseline that the method names.
    """

    table: Path
    profile: Path
    genotype: Path | None = None


def run(settings: ProfileJob, files: Files, *, log: Path | None = None) -> None:
    """Time a network with random weights on single images, and write its profile as JSON.

    The network and its parts run as `latency.backend` and `latency.precision` say.

    | key | value |
    |---|---|
    | `median_ms`, `p95_ms` | of single forward passes |
    | `fps` | 1000 / `median_ms` |
    | `predicted_ms` | sum of the table's times of the network's parts; null for a baseline, whose parts it lacks |
    | `parts_ms` | the same sum of times that are measured now, between the passes of the network; null likewise |
    | `parameters`, `macs` | of inference; `macs` on one image |
    | `peak_memory_bytes` | on the GPU, including weights; null on a CPU, for which PyTorch does not count |
    | `key` | device, software and settings of the measurement |

    If `parts_ms` differs from `predicted_ms`, the speed of the device has changed since the table was measured. If it
    differs from `median_ms`, the parts do not add up to the network.

    Raises:
        LbtError: the table was measured on another device or with other settings, or a file cannot be read.
    """
    space, latency, threads = settings.space, settings.latency, settings.compute.threads
    device = prepare_device(settings.compute)
    classes = class_table(settings.data).num_classes
    lookup = read_table(files.table)
    key = current_key(latency, threads, device, classes)
    lookup.check_key(asdict(key))
    deployment = Deployment(latency.backend, latency.precision, device, threads)
    discrete = None if files.genotype is None else read_genotype(files.genotype, space)
    network = build_network(discrete, settings.method, space, classes).eval()
    images = torch.rand(1, 3, *latency.input_size, generator=torch.Generator().manual_seed(0))
    call = deployment.prepare(network, (images,)).call
    peak = _peak_memory(call)
    parts = [
        deployment.prepare(*build_part(part, space, latency.input_size), first=part.is_first, last=part.is_last)
        for part in (() if discrete is None else list_genotype_parts(discrete, space, classes))
    ]
    times, parts_ms = time_in_turn(call, parts, runs=latency.profile_runs, threads=threads)
    median_ms = median(times)
    predicted_ms = None if discrete is None else genotype_latency(discrete, space, lookup)
    profile = {
        "median_ms": median_ms,
        "p95_ms": float(np.percentile(times, 95)),
        "fps": 1e3 / median_ms,
        "predicted_ms": predicted_ms,
        "parts_ms": parts_ms,
        "parameters": count_parameters(network),
        "macs": count_macs(network, latency.input_size),
        "peak_memory_bytes": peak,
        "key": asdict(key),
    }
    write_json(files.profile, profile)
    with Progress("profile", 1, log) as progress:
        progress.advance(median_ms=median_ms, **({} if predicted_ms is None else {"predicted_ms": predicted_ms}))


def time_in_turn(
    network: Call, parts: Sequence[Prepared], *, runs: int, threads: int
) -> tuple[list[float], float | None]:
    """Milliseconds of each of `runs` passes of a network, and of all its parts together, None if it has none.

    Network and parts take `TURNS` turns of about equal length, so that a change of the clock rate affects both.

    Args:
        network: its forward pass and input.
        parts: those of the modules of `list_genotype_parts`.
        runs: number of passes of the network, at least `TURNS`.
        threads: CPU threads.
    """
    times: list[float] = []
    blocks = []
    for turn in range(TURNS):
        passes = time_passes(*network, runs=runs // TURNS + (turn < runs % TURNS))
        if parts:
            blocks.append(time_prepared(parts, threads=threads, seconds=sum(passes) / 1e3 / len(parts)))
        times += passes
    return times, sum(median(block) for block in zip(*blocks, strict=True)) if parts else None


def _peak_memory(network: Call) -> int | None:
    """Most bytes on the GPU during a pass without other work; None on a CPU."""
    forward, (images,) = network
    if not images.is_cuda:
        return None
    torch.cuda.reset_peak_memory_stats(images.device)
    with torch.inference_mode():
        forward(images)
    return torch.cuda.max_memory_allocated(images.device)
