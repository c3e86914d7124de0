"""The candidates of an architecture: networks among which a derivation chooses by their scores on images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product, zip_longest
from math import prod
from typing import Literal

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.network import derivation_rule
from lbt.network.derivation_rule import build_branch, candidate_paths, most_probable_path, path_probability
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.space.architecture import probabilities, validate_architecture

Rule = derivation_rule.Rule | Literal["search"]


@dataclass(frozen=True)
class Candidate:
    """A network that may be derived from an architecture.

    Attributes:
        genotype: the network.
        downsample_layers: for each branch, the layers of its path whose cell has stride 2, including pruned layers.
        probability: product of `lbt.network.derivation_rule.path_probability` of the branches.
    """

    genotype: Genotype
    downsample_layers: tuple[tuple[int, ...], ...]
    probability: float

    @property
    def branch_scales(self) -> str:
        """Scales at which the branches end, finest first, such as `16+32`."""
        return "+".join(str(branch.scale) for branch in reversed(self.genotype.branches))

    @property
    def paths(self) -> str:
        """The downsampling layers of each branch, finest branch first: `16:5 / 32:3,9`, or `8:-` if it has none."""
        pairs = zip(reversed(self.genotype.branches), reversed(self.downsample_layers), strict=True)
        return " / ".join(f"{branch.scale}:{','.join(map(str, layers)) or '-'}" for branch, layers in pairs)


def needs_candidates(rule: str, branches: str) -> bool:
    """Whether derivation compares scores: with `derivation.rule: search` or `space.branches: best`."""
    return rule == "search" or branches == "best"


def list_candidates(architecture: Mapping[str, Tensor], space: SpaceSettings, rule: Rule) -> list[Candidate]:
    """All candidates of an architecture, the most probable first.

    `search` takes every path of every branch (`lbt.network.derivation_rule.candidate_paths`), the other rules the most
    probable one by their reading of beta. Operators, widths and pruning are the release's. With `branches: best`, the
    list alternates between the two combinations of branches. Their probabilities cannot be compared, because a path
    that stays at 1/8 has the probability 1.

    If several candidates compute the same, from whatever layers their cells come, the list holds only the most probable
    one.

    Raises:
        LbtError: the architecture does not belong to this space.
    """
    validate_architecture(architecture, space)
    logits = {key: value.detach().cpu() for key, value in architecture.items()}
    ranked = [_rank_candidates(logits, space, rule, scales) for scales in BRANCH_SCALES[space.branches]]
    return [candidate for turn in zip_longest(*ranked) for candidate in turn if candidate is not None]


def _rank_candidates(
    logits: Mapping[str, Tensor], space: SpaceSettings, rule: Rule, branch_scales: tuple[int, ...]
) -> list[Candidate]:
    """The distinct candidates whose branches end at these scales, the most probable first."""
    # In double precision, so that the order of nearly equal paths does not depend on the processor.
    weights, choices = probabilities({key: value.double() for key, value in logits.items()}), []
    for scale in branch_scales:
        if rule == "search":
            paths = candidate_paths(space.layers, scale)
        else:
            paths = [most_probable_path(logits, space.layers, scale, rule)]
        choices.append(
            [(path, path_probability(weights, path, "consistent"), build_branch(logits, space, path)) for path in paths]
        )
    candidates = []
    for combination in product(*choices):
        paths_of_branches, chances, branches = zip(*combination, strict=True)
        candidates.append(Candidate(Genotype(branches), paths_of_branches, prod(chances)))
    distinct: dict[tuple, Candidate] = {}
    for candidate in sorted(candidates, key=lambda candidate: -candidate.probability):
        distinct.setdefault(_describe_computation(candidate.genotype), candidate)
    return list(distinct.values())


def _describe_computation(genotype: Genotype) -> tuple:
    """All of a genotype that decides what its network computes: everything except the layers of its cells."""
    return tuple(
        (branch.scale, tuple((cell.operator, cell.stride, cell.width_twelfths) for cell in branch.cells))
        for branch in genotype.branches
    )
