"""The searches of results/published/lbt-bench/PLAN.md: starts all variants, and scores them by the table.

    python tests/studies/table_searches.py start [--seeds 10] [--cores 2] [--variants NAME ...] [--ratios]
    python tests/studies/table_searches.py score TABLE [--part val-stretches] [--csv searches.csv]

`start` runs the workflow once for each run below `results/` that the variants need. A run that is finished takes
seconds, and one that was stopped continues; more seeds leave the finished ones. `score` reads what is finished. Start
both in the folder that holds `results/`.

`score` prints V(A) by variant, and for each variant the mean difference from `fasterseg` over the seeds that both have,
with the 95 % interval of Student's t. The plan makes one of these differences the test: `lbt-best` against
`fasterseg`. `--csv` receives a row per variant and seed.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from lbt.files import read_json
from lbt.network.derivation_rule import derive_genotype
from lbt.network.enumeration import genotype_text
from lbt.runtime.metrics_csv import write_metrics
from lbt.space.architecture import Architecture, architecture_from_json, entropies, first_architecture
from lbt.tabular.table import Table, load

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = (ROOT / "config" / "lbt-bench.yaml", ROOT / "config" / "lbt-bench-search.yaml")
ROUNDS = 5
BASE = "fasterseg"
NONE = "none"
"""No search: the architecture with which all searches of a seed begin."""


@dataclass(frozen=True)
class Run:
    """Searches of one run of the workflow.

    Attributes:
        name: its folder below `results/`.
        variants: by method, the name of the variant in the plan.
        search: settings of `search` that differ from config/lbt-bench-search.yaml.
        other: other settings that differ.
    """

    name: str
    variants: Mapping[str, str]
    search: Mapping[str, Any] = field(default_factory=dict)
    other: Mapping[str, Any] = field(default_factory=dict)

    def command(self, seeds: int, cores: int) -> list[str]:
        """The command that makes its searches."""
        changed = {"run": self.name, "methods": list(self.variants), "seeds": list(range(seeds)), **self.other}
        changed |= {"search": dict(self.search)} if self.search else {}
        settings = [f"{key}={json.dumps(value)}" for key, value in changed.items()]
        configs = map(str, CONFIGS)
        words = ["snakemake", "--snakefile", str(ROOT / "workflow" / "Snakefile"), "--cores", str(cores)]
        return [*words, "--configfile", *configs, "--config", *settings, "--", "search"]


PLAIN = {"student_memory": 0.0, "label_steps": 1}
"""The student's term from one batch of labels and one validation gradient."""
RUNS = (
    Run("lbt-bench-search", {"fasterseg": BASE, "lbt": "lbt-best", "lpt": "lpt"}),
    Run("lbt-bench-direct", {"lbt": "lbt-direct"}, PLAIN),
    Run("lbt-bench-one-step", {"lbt": "lbt-one-step"}, PLAIN | {"gradient": "one_step"}),
    Run("lbt-bench-published", {"lbt": "lbt-published"}, PLAIN | {"gradient": "published"}),
)
RATIOS = tuple(
    Run(
        f"lbt-bench-ratio-{ratio:g}",
        {"lbt": f"ratio-{ratio:g}"},
        {"pseudo_labels": {"ratio": ratio}},
        {"splits": {"scheme": "disjoint", "parts": [0.3, 0.2, 0.3, 0.2]}},
    )
    for ratio in (0.25, 0.5, 1.0, 2.0)
)


def score(table: Table, results: Path, part: str) -> list[dict[str, Any]]:
    """A row per variant and seed of all finished searches."""
    rows, seeds = [], set()
    for run in (*RUNS, *RATIOS):
        for method, variant in run.variants.items():
            for file in sorted(
                (results / run.name / "search" / method).glob(f"seed-*/round-{ROUNDS}/architecture.json")
            ):
                seed = int(file.parts[-3].removeprefix("seed-"))
                seeds.add(seed)
                found = architecture_from_json(read_json(file), table.space, str(file))
                rows.append(describe(table, found, variant, seed, part))
    return rows + [describe(table, first_architecture(table.space, seed), NONE, seed, part) for seed in sorted(seeds)]


def describe(table: Table, architecture: Architecture, variant: str, seed: int, part: str) -> dict[str, Any]:
    """V(A) in % on each part of the held-out images, and the derived network."""
    genotype = derive_genotype(architecture, table.space)
    row: dict[str, Any] = {"variant": variant, "seed": seed}
    row |= {f"value_{name}": round(100 * float(table.value(architecture, name)), 5) for name in table.parts}
    row |= {"genotype": genotype_text(genotype), "percentile": round(table.percentile(genotype, part), 2)}
    derived = float(table.scores(part)[genotype_text(genotype)])
    return row | {"derived": round(100 * derived, 4), "entropy": round(entropies(architecture)["alpha"], 5)}


def student_t_two_sided(t: float, freedom: int) -> float:
    """Two-sided probability of Student's t, by Simpson's rule in the angle: t = sqrt(freedom) tan(angle)."""
    end, steps = math.atan(abs(t) / math.sqrt(freedom)), 2000
    heights = [math.cos(end * i / steps) ** (freedom - 1) for i in range(steps + 1)]
    inside = (heights[0] + heights[-1] + 4 * sum(heights[1::2]) + 2 * sum(heights[2:-1:2])) * end / (3 * steps)
    scale = math.gamma((freedom + 1) / 2) / (math.gamma(freedom / 2) * math.sqrt(math.pi))
    return 1 - 2 * scale * inside


def student_t_quantile(level: float, freedom: int) -> float:
    """The t with the two-sided probability 1 - level, by bisection."""
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_t_two_sided(middle, freedom) > 1 - level else (low, middle)
    return (low + high) / 2


def wilcoxon_two_sided(differences: Sequence[float]) -> float:
    """Exact two-sided probability of Wilcoxon's signed-rank sum; zeros are left out, ties get their mean rank."""
    values = sorted((d for d in differences if d), key=abs)
    sizes = [abs(value) for value in values]
    ranks = [(sizes.index(s) + 1 + len(sizes) - sizes[::-1].index(s)) / 2 for s in sizes]
    counts = {0.0: 1}
    for rank in ranks:  # the number of signs with each sum of the positive ranks
        for total, count in list(counts.items()):
            counts[total + rank] = counts.get(total + rank, 0) + count
    half = sum(ranks) / 2
    seen = abs(sum(rank for rank, value in zip(ranks, values, strict=True) if value > 0) - half)
    return sum(count for total, count in counts.items() if abs(total - half) >= seen - 1e-9) / 2 ** len(ranks)


def compare(rows: Sequence[Mapping[str, Any]], column: str) -> list[dict[str, Any]]:
    """For each variant: mean, and the paired difference from `fasterseg` with its interval."""
    by_variant: dict[str, dict[int, float]] = {}
    for row in rows:
        by_variant.setdefault(row["variant"], {})[row["seed"]] = row[column]
    found = []
    for variant, values in by_variant.items():
        base = by_variant.get(BASE, {})
        pairs = [value - base[seed] for seed, value in values.items() if seed in base]
        row: dict[str, Any] = {"variant": variant, "seeds": len(values), "mean": mean(values.values())}
        if variant != BASE and len(pairs) > 1:
            error = stdev(pairs) / math.sqrt(len(pairs))
            half = student_t_quantile(0.95, len(pairs) - 1) * error
            row |= {
                "pairs": len(pairs),
                "difference": mean(pairs),
                "low": mean(pairs) - half,
                "high": mean(pairs) + half,
            }
            p = student_t_two_sided(mean(pairs) / error, len(pairs) - 1) if error else math.nan
            row |= {"p_t": p, "p_wilcoxon": wilcoxon_two_sided(pairs)}
        found.append(row)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="run the searches")
    start.add_argument("--seeds", type=int, default=10)
    start.add_argument("--cores", type=int, default=2)
    start.add_argument("--ratios", action="store_true", help="the ratio study instead")
    start.add_argument("--variants", nargs="+", metavar="NAME", help="only the runs with these variants")
    scored = commands.add_parser("score", help="score the finished searches")
    scored.add_argument("table", type=Path, metavar="TABLE")
    scored.add_argument("--part", default="val-stretches")
    scored.add_argument("--results", type=Path, default=Path("results"))
    scored.add_argument("--csv", type=Path)
    options = parser.parse_args()
    if options.command == "start":
        for run in RATIOS if options.ratios else RUNS:
            if options.variants is None or set(options.variants) & set(run.variants.values()):
                subprocess.run(run.command(options.seeds, options.cores), check=True)
        return
    rows = score(load(options.table), options.results, options.part)
    if not rows:
        sys.exit(f"{options.results}: holds no finished search.")
    if options.csv is not None:
        write_metrics(options.csv, rows)
    for column in (f"value_{options.part}", "percentile"):
        print(f"\n{column}")
        for row in compare(rows, column):
            print(
                "  ".join(
                    f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in row.items()
                )
            )


if __name__ == "__main__":
    main()
