"""Runs the searches of results/published/lbt-bench/PLAN.md; `table_report.py` scores them by the table.

    python tests/studies/table_searches.py [--seeds 10] [--cores 2] [--variants NAME ...] [--ratios]

The workflow is run once for each run below `results/` that the variants need. A run that is finished takes seconds, and
one that was stopped continues; more seeds leave the finished ones. A search that fails leaves the others alone, and the
last line names its run. Start it in the folder that holds `results/`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
        return [*words, "--keep-going", "--configfile", *configs, "--config", *settings, "--", "search"]


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
        {"epochs": 5.106, "student": {"warmup_epochs": 8.889}, "pseudo_labels": {"ratio": ratio}},
        {"warmup": {"epochs": 8.511}, "splits": {"scheme": "disjoint", "parts": [0.3, 0.2, 0.3, 0.2]}},
    )
    for ratio in (0.25, 0.5, 1.0, 2.0)
)
"""The ratio study. Teacher and student train on 94 and 90 images instead of 153, so as many steps are more epochs."""


def last_rounds(results: Path) -> Iterator[tuple[str, int, Path]]:
    """Variant, seed and folder of the last round of each finished search, in the order of the variants."""
    for run in (*RUNS, *RATIOS):
        for method, variant in run.variants.items():
            searches = results / run.name / "search" / method
            found = searches.glob(f"seed-*/round-{ROUNDS}/architecture.json")
            by_seed = {int(file.parts[-3].removeprefix("seed-")): file.parent for file in found}
            yield from ((variant, seed, by_seed[seed]) for seed in sorted(by_seed))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--ratios", action="store_true", help="the ratio study instead")
    parser.add_argument("--variants", nargs="+", metavar="NAME", help="only the runs with these variants")
    options = parser.parse_args(words)
    failed = []
    for run in RATIOS if options.ratios else RUNS:
        if options.variants is None or set(options.variants) & set(run.variants.values()):
            done = subprocess.run(run.command(options.seeds, options.cores), check=False)
            failed += [run.name] if done.returncode else []
    if failed:
        sys.exit(f"Not all searches of {', '.join(failed)} are finished. The messages above say why.")


if __name__ == "__main__":
    main()
