"""Does the supernet rank networks as retraining does? Kendall's tau of both scores over random networks of a run.

    python tests/benchmarks/ranking.py RUN FOLDER [--method lbt] [--seed 0] [--networks 20] [--epochs E]

RUN is a folder of a finished run, such as `results/default`; start where the run was started. Random networks of its
space are scored twice: with the weights of the last round's supernet and BatchNorm statistics of their own, on
`teacher_val`, as the stage `candidates` does, and after retraining with the run's settings, on the held-out images.
All are retrained with one seed, so the noise of retraining lowers tau. A network that is distilled from a co-searched
one in the run is trained on the labels only.

FOLDER receives `networks.csv`, a row per network, and the genotypes. The same command resumes an interrupted run, and
with more networks it adds to them. The question is that of Yu et al., Evaluating the Search Phase of Neural
Architecture Search, ICLR 2020.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rank_correlation import LEVEL, bootstrap_interval, kendall_tau_b
from stage_calls import call_stage
from supernet_scores import score_with_supernet

from lbt.config import Settings
from lbt.config.read import read_settings
from lbt.config.retrain import BALANCED_LOSSES
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.files import read_json, sha256, write_json
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.network.random_genotype import draw_random_branches, to_genotype
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import generator

DRAWS = 1000
"""Most draws for each new network of a small space."""


def draw_networks(settings: Settings, seed: int, count: int) -> list[Genotype]:
    """Distinct random genotypes; a larger count begins with those of a smaller one.

    Raises:
        LbtError: the space has too few networks.
    """
    found: dict[str, Genotype] = {}
    stream = draw_random_branches(settings.space, generator(seed, "ranking"))
    for _ in range(DRAWS * count):
        branches = next(stream)
        found.setdefault(str([[cell[2:] for cell in cells] for cells in branches]), to_genotype(branches))
        if len(found) == count:
            return list(found.values())
    raise LbtError(f"--networks: {DRAWS * count} draws gave only {len(found)} different networks. Ask for fewer.")


class Ranking:
    """The scores of the networks of one supernet, in a folder that an interrupted run resumes from.

    Args:
        run: folder of the run.
        folder: receives the files.
        method, seed: name the supernet.
        epochs: passes of the retraining; None takes the run's.
    """

    def __init__(self, run: Path, folder: Path, method: str, seed: int, epochs: float | None) -> None:
        self.folder, self.method, self.seed = folder, method, seed
        self.settings = read_settings(run / "settings.yaml")
        if epochs is not None:
            retrain = self.settings.retrain.model_copy(update={"epochs": epochs})
            self.settings = self.settings.model_copy(update={"retrain": retrain})
        last = run / "search" / method / f"seed-{seed}" / f"round-{self.settings.search.rounds}"
        self.split, self.checkpoint = run / "data" / "split.csv", last / "checkpoint.pt"
        self._require_same()

    def score(self, genotypes: list[Genotype]) -> list[dict[str, Any]]:
        """The rows of `networks.csv`, with the scores of all networks."""
        rows = self._read_rows()
        for index, genotype in enumerate(genotypes):
            write_json(self._path(index, "json"), genotype.to_json())
        new = range(len(rows), len(genotypes))
        name = f"supernet's scores {self.method} seed-{self.seed}"
        chosen = [genotypes[i] for i in new]
        found = score_with_supernet(chosen, self.settings, self.split, self.checkpoint, self.seed, name)
        for index, supernet_miou in zip(new, found, strict=True):
            network = Network(genotypes[index], self.settings.space, class_table(self.settings.data).num_classes)
            row = {"network": index, "branches": "+".join(str(b.scale) for b in genotypes[index].branches)}
            row |= {"parameters": sum(p.numel() for p in network.parameters()), "supernet_miou": supernet_miou}
            rows.append(row | {"retrained_miou": self._retrain(index)})
            write_metrics(self.folder / "networks.csv", rows)
        return rows[: len(genotypes)]

    def _retrain(self, index: int) -> float:
        """mIoU of a network on the held-out images after retraining."""
        retrain = self.settings.retrain
        initial = self.checkpoint if retrain.initial == "supernet" else None
        counted = self.split.with_name("class_pixels.csv") if retrain.loss in BALANCED_LOSSES else None
        common: dict[str, Any] = {"seed": self.seed, "method": f"network_{index}", "split": self.split}
        network, result, resume = self._path(index, "pt"), self._path(index, "scores"), self._path(index, "resume")
        call_stage(
            "retrain",
            self.settings,
            **common,
            genotype=self._path(index, "json"),
            supernet=initial,
            class_pixels=counted,
            guide=None,
            network=network,
            metrics=self._path(index, "csv"),
            resume=Resume(resume, {"index": index}, self.settings.compute.checkpoint_minutes),
        )
        call_stage(
            "evaluate_network",
            self.settings.model_copy(
                update={"evaluation": self.settings.evaluation.model_copy(update={"pictures": 0})}
            ),
            **common,
            network=network,
            scores=result,
            images=self.folder / "images.csv",
            pictures=self.folder / "pictures",
            predictions=self.folder / "pictures",
        )
        (self.folder / "pictures").rmdir()
        (self.folder / "images.csv").unlink()
        network.unlink()
        resume.unlink(missing_ok=True)
        return float(read_json(result)["miou"])

    def _path(self, index: int, ending: str) -> Path:
        return self.folder / f"network-{index:03d}.{ending}"

    def _read_rows(self) -> list[dict[str, Any]]:
        file = self.folder / "networks.csv"
        if not file.exists():
            return []
        types = {"network": int, "branches": str, "parameters": int, "supernet_miou": float, "retrained_miou": float}
        with open(file, encoding="utf-8", newline="") as opened:
            return [{name: types[name](text) for name, text in row.items()} for row in csv.DictReader(opened)]

    def _require_same(self) -> None:
        """Refuse a folder that holds the scores of another supernet or with other settings."""
        parts = ("data", "augmentation", "space", "derivation", "retrain", "evaluation")
        settings = {name: getattr(self.settings, name).model_dump(mode="json") for name in parts}
        identity = {"checkpoint": sha256(self.checkpoint), "seed": self.seed, "settings": settings}
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / "identity.json"
        if file.exists() and read_json(file) != identity:
            raise LbtError(f"{file}: the folder holds scores of another supernet or of other settings. Name another.")
        write_json(file, identity)


def describe(rows: list[dict[str, Any]], seed: int) -> str:
    """Tau-b with its interval, in words."""
    x, y = (np.array([row[name] for row in rows]) for name in ("supernet_miou", "retrained_miou"))
    tau, (low, high) = float(kendall_tau_b(x, y)), bootstrap_interval(x, y, seed)
    return (
        f"{len(rows)} networks: Kendall's tau-b of supernet and retrained mIoU {tau:.3f}, {100 * LEVEL:g} % interval "
        f"{low:.3f} to {high:.3f} (bootstrap over the networks); retrained mIoU {100 * y.mean():.1f} ± "
        f"{100 * y.std(ddof=1):.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--method", default="lbt", help="method whose supernet is read")
    parser.add_argument("--seed", type=int, default=0, help="seed of that search, and of the retraining")
    parser.add_argument("--networks", type=int, default=20, help="networks, at least 2")
    parser.add_argument("--epochs", type=float, help="passes of the retraining instead of those of the run")
    options = parser.parse_args()
    try:
        ranking = Ranking(options.run, options.folder, options.method, options.seed, options.epochs)
        rows = ranking.score(draw_networks(ranking.settings, options.seed, options.networks))
    except LbtError as error:
        sys.exit(str(error))
    print(describe(rows, options.seed))


if __name__ == "__main__":
    main()
