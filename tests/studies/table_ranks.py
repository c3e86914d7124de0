"""Do an architecture and its supernet rank networks as the table does? Kendall's tau-b of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from measured import measure_once
from rank_correlation import bootstrap_interval, kendall_tau_b
from supernet_scores import score_with_supernet
from torch import Tensor

from lbt.config.read import read_settings
from lbt.files import sha256
from lbt.network.enumeration import genotype_text
from lbt.tabular.networks import order_networks
from lbt.tabular.probabilities import GenotypeProbabilities
from lbt.tabular.table import Table

NETWORKS = 64
"""Most networks that a supernet scores: the first ones of the table's random order, the same for all supernets."""
RESAMPLES = 2000


def tau_of_architecture(table: Table, architecture: Mapping[str, Tensor], part: str) -> float:
    """Tau-b of log p_A(g) and the table, over all networks g."""
    logs = GenotypeProbabilities(table.genotypes, table.space).log(architecture)
    return float(kendall_tau_b(logs.detach().numpy(), table.scores(part).to_numpy(float)))


def supernet_scores(last: Path, seed: int, file: Path, networks: int = NETWORKS) -> dict[str, float]:
    """mIoU on `teacher_val` of networks with the weights of a search's last supernet, by genotype, measured once.

    Args:
        last: folder of the last round, `RUN/search/METHOD/seed-N/round-R`.
        seed: of the search.
        file: keeps the scores.
        networks: number of networks; a smaller space has fewer.

    Raises:
        LbtError: a file of the run is missing or damaged; see `measure_once` too.
    """
    run, method, checkpoint = last.parents[3], last.parts[-3], last / "checkpoint.pt"
    settings = read_settings(run / "settings.yaml")
    genotypes = order_networks(settings.space)[:networks]

    def measure() -> dict[str, float]:
        name = f"supernet's scores {run.name} {method} seed-{seed}"
        found = score_with_supernet(genotypes, settings, run / "data" / "split.csv", checkpoint, seed, name)
        return dict(zip(map(genotype_text, genotypes), found, strict=True))

    return measure_once(file, {"checkpoint": sha256(checkpoint), "networks": len(genotypes)}, measure)


def tau_of_supernet(table: Table, scores: Mapping[str, float], part: str) -> float:
    """Tau-b of a supernet's scores and the table, over the networks that it scored."""
    return float(kendall_tau_b(np.array(list(scores.values())), table.scores(part)[list(scores)].to_numpy(float)))


def interval_over_networks(table: Table, supernets: Sequence[Mapping[str, float]], part: str) -> tuple[float, float]:
    """Interval of the mean tau of several supernets, which scored the same networks; see `bootstrap_interval`."""
    names = list(supernets[0])
    found = np.array([[scores[name] for name in names] for scores in supernets])
    return bootstrap_interval(found, table.scores(part)[names].to_numpy(float), seed=0, resamples=RESAMPLES)
