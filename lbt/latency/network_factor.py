"""The time of a whole network beside the sum of the times of its parts."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import torch

from lbt.config import SpaceSettings
from lbt.latency.deployment import Deployment
from lbt.latency.measuring import prepare_part, time_in_turn
from lbt.latency.parts import list_genotype_parts
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.runtime.progress import Progress

NETWORKS = 5
PASSES = 20


def measure_network_factor(
    space: SpaceSettings, classes: int, size: tuple[int, int], deployment: Deployment, log: Path | None = None
) -> float:
    """Time of a network over the sum of the times of its parts: the median over `NETWORKS` random ones.

    Inside a network a part finds other data in the caches than among parts of other networks. How much that matters
    depends on the processor: networks took 0.98 to 1.12 of their sums on those of results/published/latency-prediction,
    and on one processor nearly the same for all.

    Args:
        space: the search space.
        classes: number of classes.
        size: height and width of the image in pixels.
        deployment: how networks and parts are run.
        log: file for plain progress lines.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, *size, generator=generator)
    ratios = []
    with Progress("whole networks", NETWORKS, log) as progress:
        for _ in range(NETWORKS):
            genotype = random_genotype(space, generator)
            network = deployment.prepare(Network(genotype, space, classes).eval(), (images,))
            parts = [
                prepare_part(part, space, size, deployment) for part in list_genotype_parts(genotype, space, classes)
            ]
            times, total = time_in_turn(network.call, parts, runs=PASSES, threads=deployment.threads)
            assert total is not None  # a network has parts
            ratios.append(median(times) / total)
            progress.advance(factor=ratios[-1])
    return median(ratios)
