"""The latency table by widths instead of channels, for fast sums over very many networks of one space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from lbt.config import SpaceSettings
from lbt.latency.parts import BRANCH_COUNTS, cell_part, prediction_part, refinement_part, stem_part
from lbt.latency.table import LatencyTable
from lbt.network.random_genotype import PlainCell
from lbt.space.architecture import convolutions
from lbt.space.widths import channels

CellChoice = tuple[str, int, int, int, int]
"""Operator, stride, scale of the input, and the widths of input and output in twelfths."""


class NetworkCosts:
    """Milliseconds of all parts that derived networks of the space can have. Derived networks have no skips.

    Attributes:
        cells: `CellChoice` -> milliseconds. At 1/8 the input may have the stem's width.
        refinements: (scale, width in twelfths) of a detail -> milliseconds of merging it in the decoder.
        fixed: number of branches -> milliseconds of stem and prediction.

    Raises:
        LbtError: the table lacks a part of the space.
    """

    def __init__(self, space: SpaceSettings, table: LatencyTable) -> None:
        self.space = space
        selectable, head = space.width_twelfths, space.head_twelfths
        incoming = {
            scale: dict.fromkeys(selectable + ((space.stem_twelfths,) if scale == 8 else ())) for scale in (8, 16, 32)
        }
        self.cells: dict[CellChoice, float] = {}
        for scale, stride in ((8, 1), (16, 1), (32, 1), (8, 2), (16, 2)):
            outgoing = dict.fromkeys(selectable + ((head,) if stride == 1 else ()))
            for name, before, after in product(convolutions(space), incoming[scale], outgoing):
                counts = (channels(space.base_width, s, w) for s, w in ((scale, before), (scale * stride, after)))
                part = cell_part(name, stride, scale, *counts)
                self.cells[name, stride, scale, before, after] = table.lookup(part)
        self.refinements = {
            (scale, width): table.lookup(refinement_part(space, scale, channels(space.base_width, scale, width)))
            for scale in (8, 16)
            for width in incoming[scale]
        }
        stem = table.lookup(stem_part(space))
        self.fixed = {
            count: stem + table.lookup(prediction_part(space, count, table.key.classes)) for count in BRANCH_COUNTS
        }

    def milliseconds(self, branches: Sequence[Sequence[PlainCell]]) -> float:
        """`lbt.latency.expected.genotype_latency` of branches from `draw_random_branches`, except for rounding."""
        total, shared = self.fixed[len(branches)], 0
        if len(branches) > 1:
            first, second = branches
            for one, other in zip(first[:-1], second[:-1], strict=False):
                if one[2:] != other[2:]:
                    break
                shared += 1
        for index, cells in enumerate(branches):
            width = self.space.stem_twelfths
            for position, (_, scale, operator, stride, after) in enumerate(cells):
                if stride == 2:
                    total += self.refinements[scale, width]
                if index == 0 or position >= shared:
                    total += self.cells[operator, stride, scale, width, after]
                width = after
        return total
