"""The stage that joins scores and latencies of all networks into the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lbt.config.network_jobs import TabularTableJob
from lbt.files import read_json, software_versions, write_json, write_text
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.tabular.noise import complete_scores, deviations, split_half_reliability
from lbt.tabular.table import NAMES, PREFIX, load


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        scores: of `lbt.tabular.scores`, of all jobs and seeds.
        times, key: of `lbt.tabular.latency`.
        table: receives a row per network and seed as CSV, in the order of the networks.
        facts: receives space, training, versions and the key of the latencies as JSON.
        noise: receives a row per part of the held-out images as CSV; see `run`.
    """

    scores: tuple[Path, ...]
    times: Path
    key: Path
    table: Path
    facts: Path
    noise: Path


def run(settings: TabularTableJob, files: Files, *, log: Path | None = None) -> None:
    """Write the table, and how much of its scores is noise.

    | column of `noise` | value |
    |---|---|
    | `part` | folder of held-out images, or `all` |
    | `networks`, `seeds` | number of networks that have a score with each of the seeds |
    | `mean`, `best` | mIoU in % over the networks, each the mean over its seeds |
    | `sd_networks`, `sd_training` | in points; see `lbt.tabular.noise.deviations` |
    | `reliability` | see `lbt.tabular.noise.split_half_reliability` |

    Raises:
        LbtError: a file cannot be read; see `lbt.tabular.table.load`.
    """
    scores = pd.concat([pd.read_csv(path, dtype={"genotype": str, "code": str}) for path in files.scores])
    latency = pd.read_csv(files.times, dtype={"genotype": str}).drop(columns="network")
    frame = scores.merge(latency, on="genotype", how="left", validate="many_to_one").sort_values(["network", "seed"])
    first = [*NAMES, *(name for name in latency.columns if name != "genotype")]
    frame = frame[first + [name for name in frame.columns if name not in first]]
    facts = settings.model_dump(mode="json") | {"latency": read_json(files.key), "versions": software_versions()}
    write_json(files.facts, facts)
    write_text(files.table, frame.to_csv(index=False, lineterminator="\n"))
    table = load(files.table)
    rows: list[dict[str, float | int | str]] = []
    for part in table.parts:
        found = complete_scores(table.frame, PREFIX + part)
        between, training = deviations(found)
        row: dict[str, float | int | str] = {"part": part, "networks": found.shape[0], "seeds": found.shape[1]}
        row |= {"mean": 100 * float(table.scores(part).mean()), "best": 100 * float(table.scores(part).max())}
        row |= {"sd_networks": 100 * between, "sd_training": 100 * training}
        row["reliability"] = split_half_reliability(found)
        rows.append({name: round(v, 4) if isinstance(v, float) else v for name, v in row.items()})
    write_metrics(files.noise, rows)
    with Progress("table", 1, log) as progress:
        progress.advance(sd_networks=100 * deviations(complete_scores(table.frame, PREFIX + table.parts[0]))[0])
