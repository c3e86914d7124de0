"""Write all tables of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lbt.config import RetrainSettings, SearchSettings, SpaceSettings, WarmupSettings
from lbt.files import read_json
from lbt.runtime.progress import Progress
from lbt.views.budget import describe_budget
from lbt.views.results import read_scored
from lbt.views.tables.classes import classes_table
from lbt.views.tables.decisiveness import read_choices
from lbt.views.tables.latency import latency_table
from lbt.views.tables.miou import miou_table, summary_table


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
    """Write the tables into `folder` from the scores and profiles that lie in `.../<method>/seed-<seed>/`.

    `architecture` are the logits after the last round, in `.../<method>/seed-<seed>/round-<round>/`.
    """
    budget = describe_budget(split, warmup, search, retrain)
    networks, least = read_scored(supernet, network, profile), read_json(constant)
    choices = read_choices(architecture, space)
    tables = (
        summary_table(networks, least, choices, budget),
        miou_table(networks, least, choices, budget),
        classes_table(networks, least),
        latency_table(networks),
    )
    with Progress("tables", len(tables), log) as progress:
        for table in tables:
            table.write(folder)
            progress.advance()
