"""Genotypes drawn at random: the control that any searched genotype has to beat."""

from __future__ import annotations

import torch

from lbt.config import SpaceSettings
from lbt.space.architecture import architecture_shapes
from lbt.space.derive import BRANCH_SCALES, build_branch, candidate_downs
from lbt.space.genotype import Genotype


def random_genotype(space: SpaceSettings, generator: torch.Generator, ends: tuple[int, ...] | None = None) -> Genotype:
    """A genotype whose paths, operators and widths are drawn uniformly; skips are pruned as in a derived one.

    The branches share the draws of operators and widths at the cells that both pass, as derived branches do.

    Args:
        space: the search space.
        generator: a CPU generator.
        ends: scales at which the branches end, coarsest first; by default as in `derive_genotype`.
    """
    # The largest of independent equal draws is each choice with equal probability.
    logits = {key: torch.randn(shape, generator=generator) for key, shape in architecture_shapes(space).items()}
    branches = []
    for scale in ends or BRANCH_SCALES[space.branches][0]:
        candidates = candidate_downs(space.layers, scale)
        drawn = int(torch.randint(len(candidates), (), generator=generator))
        branches.append(build_branch(logits, space, candidates[drawn]))
    return Genotype(tuple(branches))
