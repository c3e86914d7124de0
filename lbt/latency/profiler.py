"""Profile of a derived network: measured latency beside the table's prediction, parameters, MACs, memory."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import torch

from lbt.artifacts import write_json
from lbt.compute import prepare_device
from lbt.config import ComputeSettings, DataSettings, LatencySettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.latency.expected import genotype_latency
from lbt.latency.table import current_key, read_table
from lbt.latency.timing import time_passes
from lbt.progress import Progress
from lbt.space.cost import count_macs, count_parameters
from lbt.space.genotype import read_genotype
from lbt.space.network import Network


def run(
    *,
    genotype: Path,
    table: Path,
    space: SpaceSettings,
    data: DataSettings,
    latency: LatencySettings,
    compute: ComputeSettings,
    output: Path,
    log: Path | None = None,
) -> None:
    """Time a derived network with random weights on single images, and write its profile as JSON.

    The profile has the keys `median_ms` and `p95_ms` (of single forward passes), `fps` (1000 / median), `predicted_ms`
    (the table's sum), `parameters`, `macs` (of one image), `peak_memory_bytes` (on the GPU, weights included; null on a
    CPU, where PyTorch keeps no such count) and `key`, which says where it was measured.

    Args:
        genotype: the discrete architecture.
        table: the latency lookup table, measured on this device with these settings.
        space: the search space.
        data: gives the number of classes.
        latency: input size, backend, precision and number of timed passes.
        compute: device and threads.
        output: the JSON file.
        log: file for plain progress lines.

    Raises:
        LbtError: the table was measured elsewhere or otherwise, or a file cannot be read.
    """
    device = prepare_device(compute)
    classes = class_table(data).num_classes
    lookup = read_table(table)
    key = current_key(latency, compute, device, classes)
    lookup.check_key(asdict(key))
    discrete = read_genotype(genotype, space)
    network = Network(discrete, space, classes).to(device).eval()
    images = torch.rand(1, 3, *latency.input_size, generator=torch.Generator().manual_seed(0)).to(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = time_passes(network, (images,), runs=latency.profile_runs)
    profile = {
        "median_ms": median(times),
        "p95_ms": float(np.percentile(times, 95)),
        "fps": 1e3 / median(times),
        "predicted_ms": genotype_latency(discrete, space, lookup),
        "parameters": count_parameters(network),
        "macs": count_macs(network, latency.input_size),
        "peak_memory_bytes": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
        "key": asdict(key),
    }
    write_json(output, profile)
    with Progress("profile", 1, log) as progress:
        progress.advance(median_ms=profile["median_ms"], predicted_ms=profile["predicted_ms"])
