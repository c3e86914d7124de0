"""A warmed-up supernet for the study of recipes: first weights, and the widest network to distil from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from stage_calls import call_stage

from lbt.config import Settings, SpaceSettings
from lbt.data.classes import class_table
from lbt.inference.network_file import save_network
from lbt.network.genotype import Genotype, read_genotype
from lbt.network.inherit_weights import inherit_weights
from lbt.network.network import Network
from lbt.space.supernet_file import load_supernet


def widen(genotype: Genotype, space: SpaceSettings) -> Genotype:
    """The same operators at the largest width; the last cell of a branch has one width alone."""
    widest = max(space.width_twelfths)
    branches = (
        replace(b, cells=(*(replace(cell, width_twelfths=widest) for cell in b.cells[:-1]), b.cells[-1]))
        for b in genotype.branches
    )
    return Genotype(tuple(branches))


def train_supernet(settings: Settings, split: Path, genotype: Path, supernet: Path, widest: Path) -> None:
    """Warm a supernet up as a run does, and write the widest network of a genotype with its weights.

    Args:
        settings: of the run.
        split: the split table, whose training images alone are used.
        genotype: the network that is retrained.
        supernet: receives the supernet.
        widest: receives the network.
    """
    if not supernet.exists():
        call_stage("warmup", settings, split=split, checkpoint=supernet, metrics=supernet.with_suffix(".csv"))
    table, space = class_table(settings.data), settings.space
    network = Network(widen(read_genotype(genotype, space), space), space, table.num_classes)
    inherit_weights(network, load_supernet(supernet, table.names, space, torch.device("cpu"))[0])
    save_network(
        widest,
        network,
        space=space,
        classes=table.names,
        colors=table.colors,
        mean=settings.data.mean,
        std=settings.data.std,
        method="random",
        seed=0,
    )
