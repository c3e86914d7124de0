"""Tables and figures of the searches of results/published/lbt-bench/PLAN.md, scored by the table of all networks.

    python tests/studies/table_report.py RESULTS FOLDER [--measure] [--final]

RESULTS is the folder with the runs that `table_searches.py` makes; start where they were started. All seeds that are
complete count. FOLDER receives `tables.md`, `searches.csv` (a row per variant and seed), `gradients.csv`, and the
figures `values`, `table` and `ratios` as SVG and PNG. `--measure` first measures what is missing of the gradients at
the first architecture (256 steps, 9 minutes a seed on one thread) and of the supernets' scores (64 networks, 80 seconds
a search). The measurements stay in RESULTS/lbt-bench-measures, so an interrupted command continues.

A table that lacks networks of its space is completed by the surrogate of `table_surrogate.py`, for V(A), percentiles
and tau of A; FOLDER then receives its predictions too.

The one test of the plan is made with `--final` only, when all work is done.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import table_markdown as tables
from table_figures import draw_ratios, draw_table, draw_values
from table_gradients import STEPS, SUMS, compare_with_value, first_gradients
from table_ranks import interval_over_networks, supernet_scores, tau_of_architecture, tau_of_supernet
from table_searches import BASE, NONE, RUNS, last_rounds
from table_surrogate import LEAST_CORRELATION, predict_all, write

from lbt.errors import LbtError
from lbt.files import read_json, write_text
from lbt.network.derivation_rule import derive_genotype
from lbt.network.enumeration import count_genotypes, genotype_text
from lbt.runtime.metrics_csv import write_metrics
from lbt.space.architecture import Architecture, architecture_from_json, entropies, first_architecture
from lbt.tabular.table import Table, load
from lbt.views.figures.style import save, use_style

MEASURES = "lbt-bench-measures"
Row = dict[str, Any]


def describe(table: Table, architecture: Architecture, variant: str, seed: int, part: str) -> Row:
    """V(A) in % on each part of the held-out images, the derived network, and tau of A."""
    genotype = derive_genotype(architecture, table.space)
    row: Row = {"variant": variant, "seed": seed}
    row |= {f"value_{name}": round(100 * float(table.value(architecture, name)), 5) for name in table.parts}
    row |= {"genotype": genotype_text(genotype), "percentile": round(table.percentile(genotype, part), 2)}
    derived = float(table.scores(part)[genotype_text(genotype)])
    row |= {"derived": round(100 * derived, 4), "entropy": round(entropies(architecture)["alpha"], 5)}
    tau = tau_of_architecture(table, architecture, part)
    return row | {"tau_architecture": round(tau, 5), "tau_supernet": math.nan}


class Report:
    """All rows of the finished searches.

    Args:
        table: of trained networks.
        results: folder of the runs.
        part: part of the held-out images that decides.
        measure: whether to measure what is missing.

    Attributes:
        surrogate: of a table that lacks networks of its space.
        scored: the scores of all networks, measured or predicted.
        rows: of the searches and of `none`, by variant and seed.
        gradients: of the first architectures; see `compare_with_value`.
        supernets: by variant, the scores by its supernets.
    """

    def __init__(self, table: Table, results: Path, part: str, *, measure: bool) -> None:
        self.table, self.results, self.part, self.measure = table, results, part, measure
        complete = len(table.genotypes) == count_genotypes(table.space)
        self.surrogate = None if complete else predict_all(table)
        self.scored = table if self.surrogate is None else self.surrogate.table
        self.rows: list[Row] = []
        self.supernets: dict[str, list[dict[str, float]]] = {}
        for variant, seed, last in last_rounds(results):
            file = last / "architecture.json"
            found = architecture_from_json(read_json(file), table.space, str(file))
            row = describe(self.scored, found, variant, seed, part)
            measured = self._file(f"supernet-{variant}", seed)
            if self._is_ready(measured) and not variant.startswith("ratio-"):
                scores = supernet_scores(last, seed, measured)
                self.supernets.setdefault(variant, []).append(scores)
                row["tau_supernet"] = round(tau_of_supernet(table, scores, part), 5)
            self.rows.append(row)
        seeds = sorted({row["seed"] for row in self.rows if not row["variant"].startswith("ratio-")})
        for seed in seeds:
            self.rows.append(describe(self.scored, first_architecture(table.space, seed), NONE, seed, part))
        self.gradients = self._read_gradients()

    def _read_gradients(self) -> list[Row]:
        rows: list[Row] = []
        for seed in sorted(row["seed"] for row in self.rows if row["variant"] == "lbt-best"):
            file = self._file("gradients", seed)
            if self._is_ready(file):
                measured = first_gradients(self.results / RUNS[0].name, seed, file, SUMS, STEPS)
                rows += [{"seed": seed} | row for row in compare_with_value(measured, self.scored, self.part)]
        return rows

    def _file(self, what: str, seed: int) -> Path:
        return self.results / MEASURES / what / f"seed-{seed}.json"

    def _is_ready(self, file: Path) -> bool:
        return self.measure or file.exists()

    def tables(self) -> list[str]:
        """The tables in Markdown, each with its heading."""
        plain = [row for row in self.rows if not row["variant"].startswith("ratio-")]
        ratios = [row for row in self.rows if row["variant"].startswith("ratio-")]
        texts = [tables.describe_table(self.table, self.part, self.surrogate)]
        texts += [tables.values(plain, part) for part in (self.part, *self._other_parts())]
        texts.append(tables.derived(plain))
        networks = {name: interval_over_networks(self.table, s, self.part) for name, s in self.supernets.items()}
        texts.append(tables.ranks(plain, networks))
        if self.gradients:
            texts.append(tables.gradients(self.gradients))
        if ratios:
            texts.append(tables.ratios(ratios, self.part))
        return texts

    def _other_parts(self) -> list[str]:
        return [part for part in self.table.parts if part not in (self.part, "all")]

    def describe_scores(self) -> tuple[str, str]:
        """Title and axis of the figure of the scores: how many networks there are, and where their scores are from."""
        known, part = len(self.table.genotypes), self.part
        if self.surrogate is not None:
            correlation = self.surrogate.correlations[part]
            title = f"{len(self.scored.genotypes)} networks, predicted from {known}: correlation {correlation:.2f}"
            return title, f"predicted mIoU on {part} (%)"
        reliability = self.table.reliability(part)
        shown = "unknown" if math.isnan(reliability) else f"{reliability:.2f}"
        trainings = self.table.frame["seed"].nunique()
        title = f"{known} networks, split-half reliability of the scores: {shown}"
        return title, f"mIoU on {part} (%), mean of {trainings} trainings"

    def draw(self, folder: Path) -> None:
        """Write the figures."""
        column = f"value_{self.part}"
        plain = [row for row in self.rows if not row["variant"].startswith("ratio-")]
        ratios = [row for row in self.rows if row["variant"].startswith("ratio-")]
        with use_style():
            save(draw_values(plain, column, self.part), folder / "values")
            save(draw_table(self.scored.scores(self.part), plain, *self.describe_scores()), folder / "table")
            if ratios:
                save(draw_ratios(ratios, column, self.part), folder / "ratios")


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, metavar="RESULTS")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--table", type=Path, help="by default RESULTS/lbt-bench/tabular/table.csv")
    parser.add_argument("--part", default="val-stretches", help="part of the held-out images that decides")
    parser.add_argument("--measure", action="store_true", help="first measure missing gradients and supernet scores")
    parser.add_argument("--final", action="store_true", help="make the primary test of the plan")
    parser.add_argument("--stopped", type=int, nargs="+", default=[], metavar="SEED", help="a search stopped by itself")
    options = parser.parse_args(words)
    table = options.table or options.results / "lbt-bench" / "tabular" / "table.csv"
    try:
        report = Report(load(table), options.results, options.part, measure=options.measure)
        if not any(row["variant"] == BASE for row in report.rows):
            raise LbtError(f"{options.results}: holds no finished search of {BASE}. Run table_searches.py first.")
        texts = report.tables()
        if options.final:
            if report.surrogate is not None and report.surrogate.correlations[options.part] < LEAST_CORRELATION:
                raise LbtError(
                    f"--final: the surrogate's correlation is below {LEAST_CORRELATION}. The plan has no primary test."
                )
            texts.insert(1, tables.primary_test(report.rows, options.part, options.stopped))
        options.folder.mkdir(parents=True, exist_ok=True)
        write_text(options.folder / "tables.md", "\n\n".join(texts) + "\n")
        write_metrics(options.folder / "searches.csv", report.rows)
        if report.gradients:
            write_metrics(options.folder / "gradients.csv", report.gradients)
        if report.surrogate is not None:
            write(report.surrogate, options.folder)
        report.draw(options.folder)
    except LbtError as error:
        sys.exit(str(error))
    print("\n\n".join(texts))


if __name__ == "__main__":
    main()
