"""All genotypes of a small space, each as one line of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.derivation_rule import candidate_paths, path_scales
from lbt.network.genotype import BRANCH_SCALES, Branch, Cell, Genotype
from lbt.space.architecture import Scale

MOST_GENOTYPES = 100_000
Path = tuple[int, ...]
"""Downsampling layers; see `lbt.network.derivation_rule.candidate_paths`."""
Node = tuple[int, Scale]
"""Layer and scale."""


def count_genotypes(space: SpaceSettings) -> int:
    """Number of genotypes of `list_genotypes`, without listing them.

    Raises:
        LbtError: see `list_genotypes`.
    """
    _require_small(space)
    choices = (_choices(space, paths) for paths in _path_combinations(space))
    operators, widths = len(space.operators), len(space.width_twelfths)
    return sum(operators ** len(cells) * widths ** len(features) for cells, features in choices)


def list_genotypes(space: SpaceSettings) -> list[Genotype]:
    """All genotypes that `derive_genotype` can return, in a fixed order.

    Branches agree in the operators and widths of the cells that both pass.

    Raises:
        LbtError: the space has skips, which derivation prunes by their rank, or more than `MOST_GENOTYPES` genotypes.
    """
    count = count_genotypes(space)
    if count > MOST_GENOTYPES:
        raise LbtError(
            f"space: has {count} networks, more than the {MOST_GENOTYPES} that can be listed. Lower space.layers, or "
            "restrict space.operators or space.width_twelfths."
        )
    return [genotype for paths in _path_combinations(space) for genotype in _fill_paths(space, paths)]


def genotype_text(genotype: Genotype) -> str:
    """A genotype without pruned cells as text: `operator:stride:twelfths` of each cell, ` / ` between branches."""
    return " / ".join(
        " ".join(f"{cell.operator}:{cell.stride}:{cell.width_twelfths}" for cell in branch.cells)
        for branch in genotype.branches
    )


def _require_small(space: SpaceSettings) -> None:
    if "skip" in space.operators:
        raise LbtError(
            "space.operators: has `skip`, whose cells are pruned by the rank of their probability, so that networks "
            "have no probability of their own. Remove it to list the networks of the space."
        )


def _path_combinations(space: SpaceSettings) -> Iterator[tuple[Path, ...]]:
    """A path for each branch, coarsest branch first."""
    for scales in BRANCH_SCALES[space.branches]:
        yield from product(*(candidate_paths(space.layers, scale) for scale in scales))


def _choices(space: SpaceSettings, paths: Sequence[Path]) -> tuple[list[Node], list[Node]]:
    """The cells whose operator, and the features whose width is chosen."""
    cells: dict[Node, None] = {}
    for path in paths:
        cells |= dict.fromkeys(enumerate(path_scales(path, space.layers)))
    return list(cells), [node for node in cells if node[0] > 0]


def _fill_paths(space: SpaceSettings, paths: Sequence[Path]) -> Iterator[Genotype]:
    """Every choice of operators and widths along the paths."""
    cells, features = _choices(space, paths)
    for operators in product(space.operators, repeat=len(cells)):
        operator = dict(zip(cells, operators, strict=True))
        for widths in product(space.width_twelfths, repeat=len(features)):
            width = dict(zip(features, widths, strict=True))
            branches = []
            for path in paths:
                scales = path_scales(path, space.layers)
                nodes = list(enumerate(scales))
                outputs = [width[node] for node in nodes[1:]] + [space.head_twelfths]
                made = (
                    Cell(*node, operator[node], 2 if node[0] in path else 1, twelfths)
                    for node, twelfths in zip(nodes, outputs, strict=True)
                )
                branches.append(Branch(scales[-1], tuple(made)))
            yield Genotype(tuple(branches))
