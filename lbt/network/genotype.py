"""Genotypes: discrete architectures, stored in a small, readable JSON file."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.files import read_json
from lbt.space.architecture import OperatorName, Scale
from lbt.space.widths import channels

BRANCH_SCALES: dict[str, tuple[tuple[Scale, ...], ...]] = {
    "32": ((32,),),
    "16+32": ((32, 16),),
    "8+32": ((32, 8),),
    "best": ((32, 16), (32, 8)),
}
"""`space.branches` -> the allowed combinations of scales at which the branches end, each coarsest first."""

Stride = Literal[1, 2]


@dataclass(frozen=True)
class Cell:
    """One operator of a branch.

    Attributes:
        layer: layer of the supernet from which the cell comes, from 0.
        scale: scale of the input, 8 for 1/8.
        operator: one of `lbt.space.architecture.OPERATORS`.
        stride: 1, or 2 if the output is at the next coarser scale.
        width_twelfths: width of the output in twelfths of the full width.
    """

    layer: Annotated[int, Field(ge=0)]
    scale: Scale
    operator: OperatorName
    stride: Stride
    width_twelfths: Annotated[int, Field(ge=1, le=12)]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class Branch:
    """A chain of cells from the stem's output at 1/8 to 1/`scale`.

    Raises:
        ValueError: the cells do not lead from 1/8 to 1/`scale` in the order of their layers, or the last cell has
            stride 2.
    """

    scale: Scale
    cells: Annotated[tuple[Cell, ...], Field(min_length=1)]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    def __post_init__(self) -> None:
        scale: int = 8
        layer = -1
        for position, cell in enumerate(self.cells):
            if cell.scale != scale:
                raise ValueError(f"cells[{position}]: has scale {cell.scale}, but its input is at 1/{scale}")
            if cell.layer <= layer:
                raise ValueError(f"cells[{position}]: has layer {cell.layer}, but the previous cell has layer {layer}")
            scale, layer = cell.scale * cell.stride, cell.layer
        if scale != self.scale or self.cells[-1].stride != 1:
            raise ValueError(
                f"cells[{len(self.cells) - 1}]: must keep the branch's scale {self.scale}, but "
                f"leads from {self.cells[-1].scale} to {scale}"
            )


@dataclass(frozen=True)
class Genotype:
    """One to three branches, the coarsest first.

    Raises:
        ValueError: there is no branch, or the branches are not in strictly descending order of scale.
    """

    branches: tuple[Branch, ...]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    def __post_init__(self) -> None:
        scales = [branch.scale for branch in self.branches]
        if not scales or scales != sorted(set(scales), reverse=True):
            raise ValueError(f"branches: must end at different scales, coarsest first, but end at {scales}")

    def shared_prefix(self) -> int:
        """Number of leading cells that all branches have in common and that are evaluated once.

        Cells are equal if they compute the same, whatever their layers. A branch never shares its last cell.
        """
        if len(self.branches) == 1:
            return 0
        length = 0
        for cells in zip(*(branch.cells[:-1] for branch in self.branches), strict=False):
            if len({(cell.operator, cell.stride, cell.width_twelfths) for cell in cells}) > 1:
                break
            length += 1
        return length

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON value, which `from_json` reads."""
        return asdict(self)

    @staticmethod
    def from_json(value: Any, space: SpaceSettings, source: str = "genotype") -> Genotype:
        """Convert a JSON value to a genotype.

        Raises:
            LbtError: `value` is not a genotype of this space; the message names `source` and the first wrong place,
                such as `branches[0].cells[3].operator`.
        """
        try:
            genotype = TypeAdapter(Genotype).validate_json(json.dumps(value))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
            value_in_file = "" if isinstance(first["input"], dict | list) else f", found {first['input']!r}"
            raise LbtError(
                f"{source}: {place}{': ' if place else ''}{first['msg'].removeprefix('Value error, ')}{value_in_file}. "
                "Fix the file or derive the genotype again."
            ) from error
        for place, problem in _find_misfits(genotype, space):
            raise LbtError(f"{source}: {place}: {problem}. Use the `space` settings with which it was derived.")
        return genotype


def cell_channels(branch: Branch, space: SpaceSettings) -> list[tuple[int, int]]:
    """Input and output channels of each cell of a branch."""
    pairs, count = [], channels(space.base_width, 8, space.stem_twelfths)
    for cell in branch.cells:
        out = channels(space.base_width, cell.scale * cell.stride, cell.width_twelfths)
        pairs.append((count, out))
        count = out
    return pairs


def list_computation(genotype: Genotype, space: SpaceSettings) -> tuple[Hashable, ...]:
    """What a genotype's network computes; equal for two genotypes whose networks differ in their weights alone.

    Layers do not count, and two widths of the same number of channels are one.
    """
    branches = (
        tuple((cell.operator, cell.stride, *pair) for cell, pair in zip(b.cells, cell_channels(b, space), strict=True))
        for b in genotype.branches
    )
    return genotype.shared_prefix(), *branches


def _find_misfits(genotype: Genotype, space: SpaceSettings) -> Iterator[tuple[str, str]]:
    """Place and description of everything in a genotype that is not in the space."""
    scales, choices = tuple(branch.scale for branch in genotype.branches), BRANCH_SCALES[space.branches]
    if scales not in choices:
        allowed = " or ".join(str(list(choice)) for choice in choices)
        yield "branches", f"end at the scales {list(scales)}, but `space.branches: {space.branches}` has {allowed}"
    for index, branch in enumerate(genotype.branches):
        for position, (cell, (before, after)) in enumerate(
            zip(branch.cells, cell_channels(branch, space), strict=True)
        ):
            place = f"branches[{index}].cells[{position}]"
            last = position == len(branch.cells) - 1
            widths = (space.head_twelfths,) if last else space.width_twelfths
            if cell.layer >= space.layers:
                yield f"{place}.layer", f"is {cell.layer}, but the space has the layers 0 to {space.layers - 1}"
            if cell.width_twelfths not in widths:
                yield f"{place}.width_twelfths", f"is {cell.width_twelfths}, but the space has {list(widths)} there"
            if cell.operator not in space.operators:
                yield f"{place}.operator", f"is {cell.operator}, but the space has {', '.join(space.operators)}"
            if cell.operator == "skip" and cell.stride == 1 and before != after:
                yield f"{place}.operator", f"a skip of stride 1 cannot turn {before} channels into {after}"


def read_genotype(path: Path | str, space: SpaceSettings) -> Genotype:
    """Read a genotype file.

    Raises:
        LbtError: the file is missing, is not JSON, or holds no genotype of this space; the message names the place.
    """
    return Genotype.from_json(read_json(path), space, str(path))
