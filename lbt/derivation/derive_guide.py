"""From the guide's logits to its network, the teacher in distillation: full width, and no cell is pruned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.config.methods import METHODS
from lbt.config.network_jobs import DeriveGuideJob
from lbt.files import read_json, write_json, write_text
from lbt.network.derivation_rule import Rule, best_convolution, candidate_paths, most_probable_path, path_scales
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype
from lbt.runtime.seeding import generator
from lbt.space.architecture import alpha_row, architecture_from_json, architecture_shapes


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        architecture: the guide's logits after the last round.
        genotype: receives the discrete architecture as JSON.
    """

    architecture: Path
    genotype: Path


def run(settings: DeriveGuideJob, files: Files, *, log: Path | None = None) -> None:
    """Write the genotype of a method's guide: derived from the logits or, for a method without a search, drawn."""
    seed, method, space = settings.seed, settings.method, settings.space
    if METHODS[method].searches:
        logits = architecture_from_json(read_json(files.architecture), space, str(files.architecture))
        rule: Rule = "released" if settings.derivation.rule == "released" else "consistent"
        genotype = guide_genotype(logits, space, rule)
    else:
        genotype = random_guide(space, generator(seed, "guide genotype"))
    write_json(files.genotype, genotype.to_json())
    if log is not None:
        write_text(log, f"derive guide {method} seed-{seed}: {len(genotype.branches)} branches at full width\n")


def guide_genotype(architecture: Mapping[str, Tensor], space: SpaceSettings, rule: Rule = "consistent") -> Genotype:
    """The genotype of a guide by the released rule for unpruned networks.

    Each branch follows its most probable path. The branches end at the first choice of `BRANCH_SCALES`.

    Args:
        architecture: alpha and beta are read.
        space: the search space.
        rule: which row of beta scores a path to 1/16.
    """
    logits = {key: value.detach().cpu() for key, value in architecture.items()}
    return Genotype(
        tuple(
            guide_branch(logits, space, most_probable_path(logits, space.layers, scale, rule))
            for scale in BRANCH_SCALES[space.branches][0]
        )
    )


def random_guide(space: SpaceSettings, source: torch.Generator) -> Genotype:
    """Draw a genotype at full width, without skips and with uniform paths and operators, from a CPU generator.

    Branches share the draws of operators at the cells that both pass, as derived branches do.
    """
    # Each of several independent, equally distributed logits is the largest with equal probability.
    logits = {key: torch.randn(shape, generator=source) for key, shape in architecture_shapes(space).items()}
    branches = []
    for scale in BRANCH_SCALES[space.branches][0]:
        candidates = candidate_paths(space.layers, scale)
        index = int(torch.randint(len(candidates), (), generator=source))
        branches.append(guide_branch(logits, space, candidates[index]))
    return Genotype(tuple(branches))


def guide_branch(architecture: Mapping[str, Tensor], space: SpaceSettings, downsample_layers: Sequence[int]) -> Branch:
    """The branch along one path with a cell at each layer: its most probable operator except the skip, at full width.

    The last cell has the width that the decoder reads, `space.head_twelfths`.
    """
    scales, last = path_scales(downsample_layers, space.layers), space.layers - 1
    cells = []
    for layer, scale in enumerate(scales):
        operator = best_convolution(architecture[f"alpha.{scale}"][alpha_row(layer, scale)], space.operators)
        width = space.head_twelfths if layer == last else space.width_twelfths[-1]
        cells.append(Cell(layer, scale, operator, 2 if layer in downsample_layers else 1, width))
    return Branch(scales[-1], tuple(cells))
