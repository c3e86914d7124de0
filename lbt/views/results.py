"""Scores and profile of each network, read from `.../<method>/seed-<seed>/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.config.methods import METHODS
from lbt.files import read_json

CONTROLS = tuple(name for name, facts in METHODS.items() if not facts.searches)
"""Methods that do not search: a searched network must beat them."""


@dataclass(frozen=True)
class NetworkResult:
    """The network of one method and seed.

    Attributes:
        method: name of the method.
        seed: its seed.
        supernet: scores of the supernet; see `lbt.evaluation.scores`.
        network: scores of the retrained network.
        profile: latency, parameters and MACs; see `lbt.latency.profiler`.
    """

    method: str
    seed: int
    supernet: Mapping[str, Any]
    network: Mapping[str, Any]
    profile: Mapping[str, Any]


def identify(path: Path) -> tuple[str, int]:
    """Method and seed of a file in a folder `.../<method>/seed-<seed>/`."""
    return path.parent.parent.name, int(path.parent.name.removeprefix("seed-"))


def read_results(supernet: Sequence[Path], network: Sequence[Path], profile: Sequence[Path]) -> list[NetworkResult]:
    """Read the files of all networks. The three lists have the same order.

    Raises:
        LbtError: a file cannot be read.
    """
    return [
        NetworkResult(*identify(n), read_json(s), read_json(n), read_json(p))
        for s, n, p in zip(supernet, network, profile, strict=True)
    ]


def group_by_method(networks: Sequence[NetworkResult]) -> dict[str, list[NetworkResult]]:
    """The networks of each method, in the order in which the methods first appear."""
    grouped: dict[str, list[NetworkResult]] = {}
    for network in networks:
        grouped.setdefault(network.method, []).append(network)
    return grouped
