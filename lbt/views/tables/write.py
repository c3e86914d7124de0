"""The stage that writes all tables of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lbt.config import RetrainSettings, SearchSettings, SpaceSettings, WarmupSettings
from lbt.files import read_json
from lbt.runtime.progress import Progress
from lbt.views.budget import describe_budget
from lbt.views.results import read_results
from lbt.views.tables.classes import make_classes_table
from lbt.views.tables.decisiveness import read_choices
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_miou_table, make_summary_table


def run(
    *,
    space: SpaceSettings,
    warmup: WarmupSettings,
    search: SearchSettings,
    retrain: RetrainSettings,
    split: Path,
    supernet: Sequence[Path],
    network: Sequence[Path],
    profile: Sequence[Path],
    constant: Path,
    architecture: Sequence[Path],
    folder: Path,
    log: Path | None = None,
) -> None:
    """Write the tables into `folder` from the scores and profiles in `.../<method>/seed-<seed>/`.

    `architecture` holds the logits after the last round, in `.../<method>/seed-<seed>/round-<round>/`.
    """
    budget = describe_budget(split, warmup, search, retrain)
    networks, least = read_results(supernet, network, profile), read_json(constant)
    choices = read_choices(architecture, space)
    tables = (
        make_summary_table(networks, least, choices, budget),
        make_miou_table(networks, least, choices, budget),
        make_classes_table(networks, least),
        make_latency_table(networks),
    )
    with Progress("tables", len(tables), log) as progress:
        for table in tables:
            table.write(folder)
            progress.advance()
