"""Methods and seeds that derived the same network, whose scores differ by the noise of retraining and timing alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from lbt.views.results import NetworkResult

Name = tuple[str, int]
"""Method and seed of a network."""


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


def say_equal(equal: Mapping[Name, Name]) -> list[str]:
    """A sentence for each network that equals an earlier one."""
    return [
        f"{method}, seed {seed}, is the same network as {first[0]}, seed {first[1]}: their difference is noise."
        for (method, seed), first in equal.items()
    ]
