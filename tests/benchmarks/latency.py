"""How well the latency table predicts derived networks: random ones, predicted beside measured.

The table is measured once for each setting and kept. An interrupted measurement resumes. The networks take turns, so
that a change of the clock rate affects all of them. Nothing else should run on the machine.

    python tests/benchmarks/latency.py [--layers 16 --base-width 12 --height 256 --width 512 --backend compile ...]
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from time import process_time

import numpy as np
import torch

from lbt.config import ComputeSettings, DataSettings, LatencySettings, Settings, SpaceSettings
from lbt.config.jobs import LatencyJob, pick_settings
from lbt.data.classes import class_table
from lbt.latency import measure_table, timing
from lbt.latency.current_key import current_key
from lbt.latency.deployment import Deployment
from lbt.latency.expected import genotype_latency
from lbt.latency.parts import build_part, list_genotype_parts
from lbt.latency.table import LatencyTable, read_table
from lbt.latency.timing import time_passes, time_rounds
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.provenance.fingerprint import fingerprint
from lbt.runtime.device import prepare_device
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume

RUNS = 12
"""Passes of a network in a turn. The first ones after other networks are slower, by a tenth and more, than those that
follow, as when a camera is running."""


def measured_table(
    folder: Path, space: SpaceSettings, data: DataSettings, latency: LatencySettings, compute: ComputeSettings
) -> LatencyTable:
    """The table of these settings, measured unless it lies in the folder."""
    size = "x".join(map(str, latency.input_size))
    parts = f"L{space.layers}-F{space.base_width}-{'-'.join(map(str, space.width_twelfths))}-twelfths"
    form = f"{compute.threads}-threads-{latency.min_run_seconds:g}-s-{latency.backend}-{latency.precision}"
    name = f"{parts}-{size}-{form}.csv"
    path, device = folder / name, prepare_device(compute)
    if not path.exists():
        identity = {"settings": name, "code": fingerprint("lbt.latency.measure_table")}
        resume = Resume(path.with_name(f"{name}.resume"), identity, compute.checkpoint_minutes)
        settings = Settings().model_copy(update={"space": space, "data": data, "latency": latency, "compute": compute})
        measure_table.run(pick_settings(LatencyJob, settings), measure_table.Files(path), resume=resume)
        resume.remove()
    table = read_table(path)
    table.check_key(asdict(current_key(latency, compute.threads, device, class_table(data).num_classes)))
    return table


def measured_networks(
    genotypes: list[Genotype],
    space: SpaceSettings,
    classes: int,
    size: tuple[int, int],
    deployment: Deployment,
    turns: int,
) -> np.ndarray:
    """(networks, passes) milliseconds of single forward passes; the networks take turns."""
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    networks = [deployment.prepare(Network(genotype, space, classes).eval(), (images,)).call for genotype in genotypes]
    times: list[list[float]] = [[] for _ in networks]
    with Progress("networks", turns * len(networks)) as progress:
        for _ in range(turns):
            for network, found in zip(networks, times, strict=True):
                found += time_passes(*network, runs=RUNS)
                progress.advance(ms=found[-1])
    return np.array(times)


def measured_in_turns(
    genotypes: list[Genotype],
    space: SpaceSettings,
    classes: int,
    size: tuple[int, int],
    deployment: Deployment,
    turns: int,
) -> tuple[np.ndarray, np.ndarray]:
    """(networks, passes) milliseconds of forward passes, and (networks,) of the sums over their parts.

    All parts and networks take turns, so the sums do not depend on what else the machine did at another time.
    """
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    lists = [list_genotype_parts(genotype, space, classes) for genotype in genotypes]
    different = list(dict.fromkeys(part for parts in lists for part in parts))
    prepared = []
    with Progress("parts", len(different)) as progress:
        for part in different:
            module, inputs = build_part(part, space, size)
            prepared.append(deployment.prepare(module, inputs, first=part.is_first, last=part.is_last))
            progress.advance()
    networks = [deployment.prepare(Network(genotype, space, classes).eval(), (images,)) for genotype in genotypes]
    calls = [ready.call for ready in (*prepared, *networks)]
    time_rounds(calls, RUNS)  # which do not count
    times = np.array(time_rounds(calls, turns * RUNS))
    shares = [ready.share for ready in prepared]
    medians = dict(zip(different, np.median(times[: len(prepared)], axis=1) * shares, strict=True))
    return times[len(prepared) :], np.array([sum(medians[part] for part in parts) for parts in lists])


def clock_by_turn(times: np.ndarray) -> np.ndarray:
    """(networks, passes) milliseconds -> (passes,) time of each turn relative to the median turn.

    Every network takes part in every turn, so a turn that is slow for all of them tells of the machine only.
    """
    relative = times / np.median(times, axis=1, keepdims=True)
    return np.repeat(np.median(relative.reshape(len(times), -1, RUNS), axis=(0, 2)), RUNS)


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, for values without ties."""
    return float(np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--base-width", type=int, default=12)
    parser.add_argument("--widths", type=int, nargs="+", default=[4, 6, 8, 10, 12], help="selectable ones, in twelfths")
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--turns", type=int, default=5, help=f"of the networks, with {RUNS} timed passes each")
    parser.add_argument("--seconds", type=float, default=0.2, help="for one entry of the table")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backend", choices=("eager", "compile", "onnxruntime"), default="eager")
    parser.add_argument("--precision", choices=("float32", "tf32", "bfloat16"), default="float32")
    parser.add_argument(
        "--in-turns", action="store_true", help="time only the parts of these networks, in turns with the networks"
    )
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="of one thread instead of the clock's, for a machine on which something else runs",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--folder", type=Path, default=Path("results/latency-study"), help="where tables are kept")
    parser.add_argument("--csv", type=Path, help="file for the rows that are printed")
    options = parser.parse_args()

    space = SpaceSettings(layers=options.layers, base_width=options.base_width, width_twelfths=tuple(options.widths))
    size, data = (options.height, options.width), DataSettings()
    latency = LatencySettings(
        input_size=size, min_run_seconds=options.seconds, backend=options.backend, precision=options.precision
    )
    if options.processor_time:
        timing.perf_counter = process_time
    compute = ComputeSettings(device=options.device, threads=options.threads)
    device, classes = prepare_device(compute), class_table(data).num_classes
    generator = torch.Generator().manual_seed(0)
    genotypes = [random_genotype(space, generator) for _ in range(options.networks)]
    deployment = Deployment(options.backend, options.precision, device, options.threads)
    if options.in_turns:
        times, predicted = measured_in_turns(genotypes, space, classes, size, deployment, options.turns)
    else:
        table = measured_table(options.folder, space, data, latency, compute)
        times = measured_networks(genotypes, space, classes, size, deployment, options.turns)
        predicted = np.array([genotype_latency(genotype, space, table) for genotype in genotypes])
    parts = [list_genotype_parts(genotype, space, classes) for genotype in genotypes]
    cells = np.array([sum(part.part == "cell" for part in found) for found in parts])
    clock = clock_by_turn(times)
    measured, low, high = np.percentile(times / clock, (50, 25, 75), axis=1)
    overhead = float(cells @ (measured - predicted) / (cells @ cells))
    factor = float(predicted @ measured / (predicted @ predicted))

    rows = [
        {
            "network": index,
            "cells": int(cells[index]),
            "predicted_ms": round(float(predicted[index]), 4),
            "measured_ms": round(float(measured[index]), 4),
            "iqr_ms": round(float(high[index] - low[index]), 4),
            "predicted_over_measured": round(float(predicted[index] / measured[index]), 4),
        }
        for index in np.argsort(measured)
    ]
    key = current_key(latency, options.threads, device, classes)
    print(f"{key.device}, {key.software}, {options.threads} threads, {options.height}x{options.width}")
    print(f"{options.backend}, {options.precision}, L={space.layers} F={space.base_width}")
    print("  ".join(rows[0]))
    for row in rows:
        print("  ".join(f"{value:>{len(key)}}" for key, value in row.items()))
    print(f"Spearman rank correlation: {rank_correlation(predicted, measured):.3f}")
    print(f"clock: turns took {clock.min():.3f} to {clock.max():.3f} of the median turn's time, divided out above")
    for name, corrected in (
        ("as predicted", predicted),
        (f"plus {overhead:.4f} ms per cell (fitted)", predicted + overhead * cells),
        (f"times {factor:.4f} (fitted)", predicted * factor),
    ):
        errors = np.abs(corrected / measured - 1)
        print(f"{name}: median absolute error {np.median(errors):.2%}, largest {errors.max():.2%}")
    if options.csv is not None:
        write_metrics(options.csv, rows)


if __name__ == "__main__":
    main()
