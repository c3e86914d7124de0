"""Networks that nobody searched here. Each is a module that defines `build`, from classes and width to the network.

A new baseline needs, beside that, only a row of `lbt.config.baselines.BASELINES`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lbt.config import SpaceSettings
from lbt.config.baselines import BASELINES
from lbt.errors import LbtError, visible
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.network.trainable import TrainableNetwork


def build_baseline(name: str, classes: int, base_width: int | None = None) -> TrainableNetwork:
    """A baseline with random weights.

    Baselines are imported by name, so the code fingerprint of a job covers only the baseline that it builds.

    Args:
        name: one of `BASELINES`.
        classes: number of classes.
        base_width: `space.base_width`, by which the channels of some baselines are scaled; None: the published size.

    Raises:
        LbtError: there is no such baseline.
    """
    if name not in BASELINES:
        raise LbtError(f"{visible(name, 60)!r} is no baseline of this version of lbt; it has {', '.join(BASELINES)}.")
    build: Any = import_module(f"lbt.baselines.{name}").build
    return build(classes) if base_width is None else build(classes, base_width)


def build_network(genotype: Genotype | None, method: str, space: SpaceSettings, classes: int) -> TrainableNetwork:
    """The network of a genotype or, without one, the baseline that `method` names; with random weights."""
    if genotype is None:
        return build_baseline(method, classes, space.base_width)
    return Network(genotype, space, classes)
