"""Methods and seeds that derived the same network, whose scores differ by the noise of retraining and timing alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from lbt.views.results import NetworkResult

Name = tuple[str, int]
"""Method and seed of a network."""
MOST = 3
"""Pairs of equal networks with a sentence of their own."""
NOISE = "noise"
"""What the difference of two equal networks of a run is."""


def find_equal(networks: Sequence[NetworkResult]) -> dict[Name, Name]:
    """Each network that computes the same as an earlier one up to its weights, with the first such network."""
    first: dict[Hashable, Name] = {}
    equal = {}
    for network in networks:
        name = (network.method, network.seed)
        found = first.setdefault(network.computation, name)
        if found != name:
            equal[name] = found
    return equal


def say_equal(equal: Mapping[Name, Name], source: str = NOISE) -> list[str]:
    """A sentence for each network that equals an earlier one; for more than `MOST` a single sentence with all.

    Args:
        equal: of `find_equal`.
        source: what their difference is.
    """
    if len(equal) > MOST:
        pairs = "; ".join(f"{_name(network)} = {_name(first)}" for network, first in equal.items())
        return [f"{len(equal)} networks are the same as earlier ones, so their differences are {source}: {pairs}."]
    return [
        f"{_name(network)}, is the same network as {_name(first)}: their difference is {source}."
        for network, first in equal.items()
    ]


def _name(network: Name) -> str:
    return f"{network[0]}, seed {network[1]}"
