"""FasterSeg's released network (Chen et al., FasterSeg, ICLR 2020): what its authors found on Cityscapes."""

from __future__ import annotations

from lbt.config import SpaceSettings
from lbt.network.genotype import Branch, Cell, Genotype, Stride
from lbt.network.network import Network
from lbt.space.architecture import SCALES, OperatorName, Scale

_RELEASED: dict[Scale, tuple[tuple[int, OperatorName, Stride, int], ...]] = {
    32: (
        (0, "conv_2x", 1, 4),
        (1, "conv_2x", 1, 4),
        (3, "zoom_2x", 1, 4),
        (9, "zoom", 2, 8),
        (10, "zoom_2x", 1, 4),
        (11, "zoom_2x", 1, 4),
        (12, "zoom_2x", 1, 4),
        (13, "zoom_2x", 2, 4),
        (14, "zoom_2x", 1, 4),
        (15, "zoom_2x", 1, 8),
    ),
    8: (
        (0, "conv_2x", 1, 4),
        (1, "conv_2x", 1, 4),
        (3, "zoom_2x", 1, 4),
        (10, "zoom_2x", 1, 4),
        (11, "conv_2x", 1, 4),
        (12, "conv_2x", 1, 4),
        (13, "zoom_2x", 1, 4),
        (14, "conv_2x", 1, 12),
        (15, "zoom_2x", 1, 8),
    ),
}
"""The genotype that the rule of FasterSeg's release derives from its search result arch_1
(github.com/VITA-Group/FasterSeg), with the branches 1/32 and 1/8: 2.66 M parameters, 28.8 G multiply-accumulates at
1024 x 2048 with 19 classes. Scale at which a branch ends -> layer, operator, stride and width in twelfths of its
cells."""


def released_genotype() -> Genotype:
    """The genotype of FasterSeg's released network."""
    branches = []
    for end, rows in _RELEASED.items():
        cells: list[Cell] = []
        scale: Scale = 8
        for layer, operator, stride, width in rows:
            cells.append(Cell(layer, scale, operator, stride, width))
            scale = SCALES[SCALES.index(scale) + stride - 1]
        branches.append(Branch(end, tuple(cells)))
    return Genotype(tuple(branches))


def build(classes: int, base_width: int = 12) -> Network:
    """The network at the width of the run; 12 is that of the release. Its depth is that of the release."""
    return Network(released_genotype(), SpaceSettings(branches="8+32", base_width=base_width), classes)
