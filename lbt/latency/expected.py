"""Latency by the lookup table: of a genotype, the differentiable expectation of A, and its weight in the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.latency.parts import Part, cell_part, list_genotype_parts, prediction_part, refinement_part, stem_part
from lbt.latency.table import LatencyTable
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.space.architecture import alpha_row, gamma_row, probabilities
from lbt.space.paths import edge_probabilities
from lbt.space.widths import Widths, channel_choices


def expected_latency(
    architecture: Mapping[str, Tensor],
    space: SpaceSettings,
    table: LatencyTable,
    *,
    widths: Widths | None = None,
    branch_scales: Sequence[int] | None = None,
) -> Tensor:
    """Expected milliseconds of the network whose operators, predecessors and widths are drawn from A.

    Every choice is drawn independently with the softmax of its row: the predecessor of a node (beta), the operator of
    a cell (alpha, one choice for both strides), the width of a feature (gamma). Then

        Lat(A) = stem + sum over edges P(edge) sum_o alpha_o sum_{i,j} gamma_i gamma_j cell(o, stride, scale, i, j)
                 + sum over branches and their down edges P(edge) sum_i gamma_i refinement(scale, i) + prediction,

    where P(edge) is the probability that any branch uses the edge (`lbt.space.paths`). So a prefix that two branches
    share counts once, as do the stem and the prediction. A skip of stride 1 costs nothing, because derivation removes
    it. A skip of stride 2 costs its measured time.

    If every row has one choice, no cell is a skip, and each branch follows one of the paths
    `lbt.network.derivation_rule.candidate_paths`, this equals `genotype_latency` of `derive_genotype`. Skips make a
    difference. Derivation removes those of stride 1 down to a least length, so the next cell reads another width. It
    replaces all other skips.

    Args:
        architecture: logits of A; gradients reach all of them.
        space: the search space.
        table: measured milliseconds.
        widths: sampled widths that replace the softmax of gamma; gradients reach gamma through their
            straight-through factors.
        branch_scales: scales at which the branches end, such as (32, 16); by default those of `derive_genotype`.

    Returns:
        0-d tensor, milliseconds, of A's dtype and device.

    Raises:
        LbtError: the table lacks a part of the space.
    """
    branch_scales = BRANCH_SCALES[space.branches][0] if branch_scales is None else branch_scales
    chances = probabilities(architecture)
    beta = {16: chances["beta.16"], 32: chances["beta.32"]}
    costs = _Costs(space, table, chances["alpha.8"])
    prediction = prediction_part(space, len(branch_scales), table.key.classes)
    total = costs.constant(stem_part(space)) + costs.constant(prediction)

    def width(layer: int, scale: int) -> Tensor:
        return _width_weights(chances, space, widths, layer, scale)

    edges = edge_probabilities(beta, branch_scales, space.layers)
    for stride, used in ((1, edges.keep), (2, edges.down)):
        for (layer, scale), chance in used.items():
            operators = chances[f"alpha.{scale}"][alpha_row(layer, scale)]
            cost = costs.cell(layer, scale, stride)
            sides = width(layer, scale), width(layer + 1, scale * stride)
            total = total + chance * torch.einsum("o,i,j,oij->", operators, *sides, cost)
    for branch_scale in branch_scales:
        for (layer, scale), chance in edge_probabilities(beta, (branch_scale,), space.layers).down.items():
            total = total + chance * (width(layer, scale) @ costs.refinement(layer, scale))
    return total


def genotype_latency(genotype: Genotype, space: SpaceSettings, table: LatencyTable) -> float:
    """Sum of the table's milliseconds over the parts of a derived network; a shared prefix counts once.

    Raises:
        LbtError: the table lacks a part.
    """
    return sum(table.lookup(part) for part in list_genotype_parts(genotype, space, table.key.classes))


class _Costs:
    """Tensors of milliseconds with one axis per choice, in the dtype and on the device of `like`.

    Most layers have the same choices, so equal tensors are created once.
    """

    def __init__(self, space: SpaceSettings, table: LatencyTable, like: Tensor) -> None:
        self.space, self.table, self.like = space, table, like
        self.cells: dict[tuple, Tensor] = {}

    def constant(self, part: Part) -> Tensor:
        return self.like.new_tensor(self.table.lookup(part))

    def cell(self, layer: int, scale: int, stride: int) -> Tensor:
        """(operators, widths in, widths out) milliseconds of the cell at `layer`."""
        incoming = channel_choices(self.space, layer, scale)
        outgoing = channel_choices(self.space, layer + 1, scale * stride)
        key = (scale, stride, incoming, outgoing)
        if key not in self.cells:
            self.cells[key] = self.like.new_tensor(
                [
                    [[self._operator(name, stride, scale, i, o) for o in outgoing] for i in incoming]
                    for name in self.space.operators
                ]
            )
        return self.cells[key]

    def _operator(self, name: str, stride: int, scale: int, incoming: int, outgoing: int) -> float:
        if name == "skip" and stride == 1:
            return 0.0
        return self.table.lookup(cell_part(name, stride, scale, incoming, outgoing))

    def refinement(self, layer: int, scale: int) -> Tensor:
        """(widths,) milliseconds of merging the feature that enters `layer` as a detail in the decoder."""
        choices = channel_choices(self.space, layer, scale)
        return self.like.new_tensor([self.table.lookup(refinement_part(self.space, scale, c)) for c in choices])


def _width_weights(
    chances: Mapping[str, Tensor], space: SpaceSettings, widths: Widths | None, layer: int, scale: int
) -> Tensor:
    """(widths,) weights of the widths of the feature that enters `layer`; (1,) if it has one width."""
    like = chances["alpha.8"]
    if layer in (0, space.layers):
        return like.new_ones(1)
    if widths is None:
        return chances[f"gamma.{scale}"][gamma_row(layer, scale)]
    weights = like.new_zeros(len(space.width_twelfths))
    weights[widths.index(layer, scale)] = 1.0
    factor = widths.factor(layer, scale)
    return weights if factor is None else weights * factor
