"""The networks among which a derivation chooses by their score on images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product, zip_longest
from math import prod
from typing import Literal

from torch import Tensor

from lbt.config import SpaceSettings
from lbt.network.derivation_rule import build_branch, candidate_paths, most_probable_path, path_probability
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.space.architecture import probabilities, validate_architecture


@dataclass(frozen=True)
class Candidate:
    """A network that may be derived from an architecture.

    Attributes:
        genotype: the network.
        downs: for each branch, the layers whose cell has stride 2; a pruned layer counts.
        probability: product of `lbt.network.derivation_rule.path_probability` of the branches.
    """

    genotype: Genotype
    downs: tuple[tuple[int, ...], ...]
    probability: float

    @property
    def ends(self) -> str:
        """Scales at which the branches end, finest first, such as `16+32`."""
        return "+".join(str(branch.scale) for branch in reversed(self.genotype.branches))

    @property
    def paths(self) -> str:
        """The downs of each branch, finest first, such as `16:5 / 32:3,9`; `8:-` has none."""
        pairs = zip(reversed(self.genotype.branches), reversed(self.downs), strict=True)
        return " / ".join(f"{branch.scale}:{','.join(map(str, downs)) or '-'}" for branch, downs in pairs)


def needs_candidates(rule: str, branches: str) -> bool:
    """Whether a searched architecture is derived by scores: `derivation.rule: search` or `space.branches: best`."""
    return rule == "search" or branches == "best"


def list_candidates(
    architecture: Mapping[str, Tensor], space: SpaceSettings, rule: Literal["released", "search"]
) -> list[Candidate]:
    """All candidates of an architecture, the most probable first.

    `search` takes every monotone path of every branch (`lbt.network.derivation_rule.candidate_paths`), `released` the
    most probable one. Operators, widths and pruning are those of the released rule either way. With `branches: best`
    the candidates of either choice of ends take turns, because a path to 1/8 has no down that could be improbable.

    Of networks that are the same, whatever layers their cells come from, the most probable one is listed.

    Raises:
        LbtError: the architecture is not one of this space.
    """
    validate_architecture(architecture, space)
    logits = {key: value.detach().cpu() for key, value in architecture.items()}
    ranked = [_with_ends(logits, space, rule, ends) for ends in BRANCH_SCALES[space.branches]]
    return [candidate for turn in zip_longest(*ranked) for candidate in turn if candidate is not None]


def _with_ends(logits: Mapping[str, Tensor], space: SpaceSettings, rule: str, ends: tuple[int, ...]) -> list[Candidate]:
    # In double precision, so that the order of nearly equal paths does not depend on the processor.
    weights, choices = probabilities({key: value.double() for key, value in logits.items()}), []
    for end in ends:
        paths = (
            candidate_paths(space.layers, end) if rule == "search" else [most_probable_path(logits, space.layers, end)]
        )
        choices.append([(d, path_probability(weights, d), build_branch(logits, space, d)) for d in paths])
    found = []
    for chosen in product(*choices):
        downs, chances, branches = zip(*chosen, strict=True)
        found.append(Candidate(Genotype(branches), downs, prod(chances)))
    distinct: dict[tuple, Candidate] = {}
    for candidate in sorted(found, key=lambda c: -c.probability):
        distinct.setdefault(_computation(candidate.genotype), candidate)
    return list(distinct.values())


def _computation(genotype: Genotype) -> tuple:
    """What decides what a network computes: all of its genotype but the layers that the cells come from."""
    return tuple(
        (branch.scale, tuple((cell.operator, cell.stride, cell.width_twelfths) for cell in branch.cells))
        for branch in genotype.branches
    )
