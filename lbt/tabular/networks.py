"""The networks of a table in their random order, and the jobs that train them."""

from __future__ import annotations

import torch

from lbt.config import SpaceSettings
from lbt.config.tabular import TabularSettings
from lbt.network.enumeration import count_genotypes, list_genotypes
from lbt.network.genotype import Genotype
from lbt.runtime.seeding import generator

Numbered = tuple[int, Genotype]
"""Place of a network in the random order, and the network."""


def order_networks(space: SpaceSettings) -> list[Genotype]:
    """All networks of a space in a random order, the same for every table of the space.

    Raises:
        LbtError: see `lbt.network.enumeration.list_genotypes`.
    """
    found = list_genotypes(space)
    return [found[i] for i in torch.randperm(len(found), generator=generator("order of the table")).tolist()]


def networks_of_job(space: SpaceSettings, per_job: int, job: int) -> list[Numbered]:
    """The networks that a job trains, from the first one of job 0 on."""
    ordered = list(enumerate(order_networks(space)))
    return ordered[job * per_job : (job + 1) * per_job]


def count_jobs(space: SpaceSettings, settings: TabularSettings) -> int:
    """Number of jobs that train the networks of a table, for each seed.

    Raises:
        LbtError: see `lbt.network.enumeration.count_genotypes`.
    """
    count = count_genotypes(space)
    return -(-min(settings.networks or count, count) // settings.per_job)
