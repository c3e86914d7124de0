"""What sections of the settings are made of."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

OfficialSplit = Literal["train", "val", "unlabeled"]
OFFICIAL_SPLITS: tuple[OfficialSplit, ...] = get_args(OfficialSplit)

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Size = tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]]
Color = tuple[
    Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)]
]
Window = tuple[Positive, Positive]
"""Least and greatest."""


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys and values of another type."""

    WITHOUT_EFFECT: ClassVar[frozenset[str]] = frozenset()
    """Keys on which no result depends."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Gpus = Annotated[int, Field(ge=1)]
"""Number of processes of a stage."""
GPUS_HELP = (
    "GPUs of one machine that share each batch, a process each (with `compute.device: cpu` processes on the CPU). "
    "The batch sizes stay those of all together and must be multiples of it. Part of the settings, because the results "
    "are those of one GPU up to rounding only."
)


def check_gpus(gpus: int, **batch_sizes: int) -> None:
    """Refuse batches that cannot be divided evenly among GPUs."""
    for name, size in batch_sizes.items():
        if size % gpus:
            raise ValueError(
                f"gpus: {gpus} GPUs cannot share a {name} of {size} evenly; make it a multiple of {gpus}, such as "
                f"{-(-size // gpus) * gpus}, or change `gpus`"
            )


def check_window(fps: Window | None) -> None:
    """Refuse a window of frames per second whose ends are not in order."""
    if fps is not None and fps[0] >= fps[1]:
        raise ValueError(f"fps: the lower end {fps[0]:g} must be below the upper end {fps[1]:g}")
