"""The stage that writes all tables of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.network_jobs import TablesJob
from lbt.runtime.progress import Progress
from lbt.views.budget import describe_budgets
from lbt.views.results import ConstantScores, read_part, read_results
from lbt.views.tables.classes import make_classes_table
from lbt.views.tables.decisions import make_decisions_table
from lbt.views.tables.decisiveness import read_choices
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_miou_table, make_summary_table


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        supernet: scores of the supernets, in `.../<method>/seed-<seed>/`; baselines have none.
        network: scores of the retrained networks, likewise.
        profile: profiles of the derived networks, likewise.
        genotype: the derived networks, in the order of `supernet`.
        constant: scores of the constant prediction.
        architecture: the logits after the last round, in `.../<method>/seed-<seed>/round-<round>/`.
        steps: the metrics of all rounds, in the same folders.
        html: receive the tables as pages.
        csv: receive them for programs.
        markdown: receive them as text.
    """

    split: Path
    supernet: tuple[Path, ...]
    network: tuple[Path, ...]
    profile: tuple[Path, ...]
    genotype: tuple[Path, ...]
    constant: Path
    architecture: tuple[Path, ...]
    steps: tuple[Path, ...]
    html: tuple[Path, ...]
    csv: tuple[Path, ...]
    markdown: tuple[Path, ...]


def run(settings: TablesJob, files: Files, *, log: Path | None = None) -> None:
    """Write the tables into one folder."""
    budgets = describe_budgets(files.split, settings)
    networks, least = (
        read_results(files.supernet, files.network, files.profile, files.genotype, settings.space),
        read_part(files.constant, ConstantScores),
    )
    choices = read_choices(files.architecture, files.steps, settings.space, settings.search.architecture)
    tables = (
        make_summary_table(networks, least, choices, budgets),
        make_miou_table(networks, least, choices, budgets),
        make_classes_table(networks, least),
        make_latency_table(networks),
        make_decisions_table(choices),
    )
    with Progress("tables", len(tables), log) as progress:
        for table in tables:
            table.write(files.html[0].parent)
            progress.advance()
