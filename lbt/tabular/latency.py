"""The stage that times, counts and sizes the networks of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from lbt.config.network_jobs import TabularLatencyJob
from lbt.data.classes import class_table
from lbt.files import write_json
from lbt.latency.current_key import current_key
from lbt.latency.deployment import Deployment
from lbt.latency.timing import time_passes
from lbt.network.enumeration import genotype_text
from lbt.network.network import Network
from lbt.network.size import count_macs, count_parameters
from lbt.runtime.device import prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.tabular.networks import count_jobs, order_networks

TURNS = 5
"""All networks are timed in turn, so often, so that a change of the clock rate meets all of them."""


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        times: receives a row per network as CSV; see `run`.
        key: receives device, software and settings of the measurement as JSON.
    """

    times: Path
    key: Path


def run(settings: TabularLatencyJob, files: Files, *, log: Path | None = None) -> None:
    """Time all networks of a table with random weights on single images.

    | column | value |
    |---|---|
    | `network`, `genotype` | as in `lbt.tabular.scores.run` |
    | `latency_ms` | median over the turns of the median of a turn's forward passes |
    | `parameters`, `macs` | of inference; `macs` on one image of `latency.input_size` |

    Raises:
        LbtError: see `lbt.network.enumeration.list_genotypes`.
    """
    space, latency, threads = settings.space, settings.latency, settings.compute.threads
    device, classes = prepare_device(settings.compute), class_table(settings.data).num_classes
    deployment = Deployment(latency.backend, latency.precision, device, threads)
    ordered = order_networks(space)[: count_jobs(space, settings.tabular) * settings.tabular.per_job]
    images = torch.rand(1, 3, *latency.input_size, generator=torch.Generator().manual_seed(0))
    times: list[list[float]] = [[] for _ in ordered]
    rows: list[dict[str, float | int | str]] = []
    with Progress("table latency", TURNS * len(ordered), log) as progress:
        for turn in range(TURNS):
            for number, genotype in enumerate(ordered):
                network = Network(genotype, space, classes).eval()
                call = deployment.prepare(network, (images,)).call
                times[number].append(median(time_passes(*call, runs=-(-latency.profile_runs // TURNS))))
                if turn == 0:
                    size = {"parameters": count_parameters(network), "macs": count_macs(network, latency.input_size)}
                    rows.append({"network": number, "genotype": genotype_text(genotype), **size})
                progress.advance(ms=times[number][-1])
    write_metrics(files.times, [row | {"latency_ms": round(median(t), 4)} for row, t in zip(rows, times, strict=True)])
    write_json(files.key, asdict(current_key(latency, threads, device, classes)))
