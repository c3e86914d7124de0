"""The probabilities of the networks of a small space under an architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.derivation_rule import candidate_paths
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.space.architecture import (
    Scale,
    alpha_row,
    architecture_shapes,
    beta_row,
    gamma_row,
    validate_architecture,
)


class GenotypeProbabilities:
    """The probability of each genotype under an architecture, differentiable in its logits.

    It is the product of the probabilities of its operators (alpha), widths (gamma), and paths. A cell that two branches
    share counts once. The probability of a branch's path is the product of its downs (beta) divided by the sum of these
    products over the candidate paths. Over all genotypes of a space the probabilities sum to 1.

    Args:
        genotypes: of `lbt.network.enumeration.list_genotypes`.
        space: the search space.

    Raises:
        LbtError: the space leaves open where the branches end, which no logit decides.
    """

    def __init__(self, genotypes: Sequence[Genotype], space: SpaceSettings) -> None:
        if len(BRANCH_SCALES[space.branches]) > 1:
            raise LbtError(
                f"space.branches: {space.branches} leaves open where the branches end, so networks have no "
                "probability. Choose one combination."
            )
        self.space, start = space, 0
        self.starts: dict[str, int] = {}
        for key, shape in architecture_shapes(space).items():
            self.starts[key] = start
            start += shape[0] * shape[1]
        candidates = {scale: candidate_paths(space.layers, scale) for scale in BRANCH_SCALES[space.branches][0]}
        self.candidates = {scale: paths for scale, paths in candidates.items() if len(paths) > 1}
        rows = [self._positions(genotype) for genotype in genotypes]
        longest = max(map(len, rows))
        # All logits are followed by a 0, which fills up the shorter rows.
        self.positions = torch.tensor([row + [start] * (longest - len(row)) for row in rows])

    def log(self, architecture: Mapping[str, Tensor]) -> Tensor:
        """Logarithms of the probabilities, (genotypes,) float64.

        Raises:
            LbtError: the architecture does not belong to this space.
        """
        validate_architecture(architecture, self.space)
        shapes = architecture_shapes(self.space)
        logs = [architecture[key].cpu().double().log_softmax(-1).flatten() for key in shapes]
        flat = torch.cat([*logs, torch.zeros(1, dtype=torch.float64)])
        paths = sum(self._log_all_paths(flat, scale) for scale in self.candidates)
        return flat[self.positions].sum(1) - paths

    def _log_all_paths(self, flat: Tensor, scale: Scale) -> Tensor:
        """Logarithm of the sum over the candidate paths of the product of their downs."""
        paths = self.candidates[scale]
        return torch.stack([flat[self._downs(path)].sum() for path in paths]).logsumexp(0)

    def _positions(self, genotype: Genotype) -> list[int]:
        """Places of a genotype's choices among all logits."""
        cells, features, downs = {}, {}, []
        for branch in genotype.branches:
            for cell in branch.cells:
                cells[cell.layer, cell.scale] = self._place(
                    f"alpha.{cell.scale}",
                    alpha_row(cell.layer, cell.scale),
                    self.space.operators.index(cell.operator),
                )
                if cell.layer + 1 < self.space.layers:
                    scale, index = cell.scale * cell.stride, self.space.width_twelfths.index(cell.width_twelfths)
                    features[cell.layer + 1, scale] = self._place(
                        f"gamma.{scale}", gamma_row(cell.layer + 1, scale), index
                    )
            if branch.scale in self.candidates:
                downs += self._downs([cell.layer for cell in branch.cells if cell.stride == 2])
        return [*cells.values(), *features.values(), *downs]

    def _downs(self, path: Sequence[int]) -> list[int]:
        """Places of the predecessors `down` of a path."""
        scales = zip(path, (16, 32), strict=False)
        return [self._place(f"beta.{scale}", beta_row(layer + 1, scale), 0) for layer, scale in scales]

    def _place(self, key: str, row: int, column: int) -> int:
        return self.starts[key] + row * architecture_shapes(self.space)[key][1] + column
