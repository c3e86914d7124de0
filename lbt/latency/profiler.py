"""Profile of a derived network: measured latency, the table's prediction, parameters, MACs, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from lbt.config import ComputeSettings, DataSettings, LatencySettings, SpaceSettings
from lbt.data.classes import class_table
from lbt.files import write_json
from lbt.latency.expected import genotype_latency
from lbt.latency.measuring import TURNS
from lbt.latency.parts import build_part, genotype_parts
from lbt.latency.table import current_key, read_table
from lbt.latency.timing import Call, time_passes, time_together
from lbt.network.genotype import read_genotype
from lbt.network.network import Network
from lbt.network.size import count_macs, count_parameters
from lbt.runtime.device import prepare_device
from lbt.runtime.progress import Progress


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
    (the table's sum), `parts_ms` (the same sum, of the parts timed now, between passes of the network: where it differs
    from `predicted_ms`, the device has another speed than when the table was measured; where it differs from
    `median_ms`, the parts do not add up to the network), `parameters`, `macs` (of one image), `peak_memory_bytes` (on
    the GPU, weights included; null on a CPU, where PyTorch keeps no such count) and `key`, which says where it was
    measured.

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
    peak = _peak_memory(network, images)
    parts = [build_part(part, space, latency.input_size, device) for part in genotype_parts(discrete, space, classes)]
    times, parts_ms = time_in_turn(network, images, parts, runs=latency.profile_runs, threads=compute.threads)
    profile = {
        "median_ms": median(times),
        "p95_ms": float(np.percentile(times, 95)),
        "fps": 1e3 / median(times),
        "predicted_ms": genotype_latency(discrete, space, lookup),
        "parts_ms": parts_ms,
        "parameters": count_parameters(network),
        "macs": count_macs(network, latency.input_size),
        "peak_memory_bytes": peak,
        "key": asdict(key),
    }
    write_json(output, profile)
    with Progress("profile", 1, log) as progress:
        progress.advance(median_ms=profile["median_ms"], predicted_ms=profile["predicted_ms"])


def time_in_turn(
    network: torch.nn.Module, images: Tensor, parts: Sequence[Call], *, runs: int, threads: int
) -> tuple[list[float], float]:
    """Milliseconds of each of `runs` passes of a network, and of all its parts together.

    Both are timed in `TURNS` turns and about equally long, so that a change of the clock rate meets both.

    Args:
        network: in evaluation mode.
        images: (1, 3, H, W), its input.
        parts: the modules of `genotype_parts` with their inputs.
        runs: passes of the network, `TURNS` or more.
        threads: CPU threads.
    """
    times: list[float] = []
    blocks = []
    for turn in range(TURNS):
        passes = time_passes(network, (images,), runs=runs // TURNS + (turn < runs % TURNS))
        blocks.append(time_together(parts, threads=threads, seconds=sum(passes) / 1e3 / len(parts)))
        times += passes
    return times, sum(median(block) for block in zip(*blocks, strict=True))


def _peak_memory(network: torch.nn.Module, images: Tensor) -> int | None:
    """Bytes on the GPU at most during a pass, alone there."""
    if not images.is_cuda:
        return None
    torch.cuda.reset_peak_memory_stats(images.device)
    with torch.inference_mode():
        network(images)
    return torch.cuda.max_memory_allocated(images.device)
