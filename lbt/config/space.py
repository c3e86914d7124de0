"""Settings of the search space and of its latency."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from lbt.config.base import Section, Size, WrongSetting

OperatorName = Literal["skip", "conv", "zoom", "conv_2x", "zoom_2x"]
OPERATORS: tuple[OperatorName, ...] = get_args(OperatorName)
"""Every operator; `space.operators` keeps this order."""


class SpaceSettings(Section):
    """The FasterSeg search space."""

    layers: int = Field(16, ge=4, le=128, description="Number of searched layers L after the stem.")
    base_width: int = Field(
        12, ge=2, le=256, description="Base width F: scales 1/8, 1/16, 1/32 have 8F, 16F, 32F channels."
    )
    width_twelfths: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (4, 6, 8, 10, 12), description="Selectable widths of a cell in twelfths of the full width, ascending."
    )
    operators: tuple[OperatorName, ...] = Field(
        OPERATORS,
        description="Operators that a cell may choose, in this order, at least one besides `skip`. The supernet has no "
        "others.",
    )
    stem_twelfths: int = Field(8, ge=1, le=12, description="Width of the stem in twelfths.")
    head_twelfths: int = Field(8, ge=1, le=12, description="Width of the last layer and the decoder in twelfths.")
    branches: Literal["16+32", "8+32", "32", "best"] = Field(
        "16+32",
        description="Scales at which the branches of the derived network end; two share a common prefix. `best`: "
        "`16+32` or `8+32`, whichever has the higher product of mIoU on teacher_val and predicted latency to the power "
        "of -0.07, the release's objective.",
    )
    min_length: int | None = Field(
        None,
        ge=1,
        le=128,
        description="Skip cells of a derived branch are pruned only while more than this many cells remain. Absent: a "
        "third of the layers, plus 2 per halving of the resolution after 1/8, as in the release.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> SpaceSettings:
        allowed = [name for name in OPERATORS if name in self.operators]
        if list(self.operators) != allowed:
            raise WrongSetting("operators", f"must keep the order {allowed} without repeats")
        if not set(self.operators) - {"skip"}:
            raise WrongSetting("operators", "needs an operator besides `skip`, because no skip stays in a network")
        return self

    @model_validator(mode="after")
    def _widths(self) -> SpaceSettings:
        if not self.width_twelfths or list(self.width_twelfths) != sorted(set(self.width_twelfths)):
            raise WrongSetting("width_twelfths", f"must ascend without repeats; found {list(self.width_twelfths)}")
        return self


class LatencyKey(Section):
    """The keys of `latency` that say what was measured; a latency table holds them too."""

    input_size: Size = Field((128, 256), description="Height and width in pixels at which latency is measured.")
    backend: Literal["eager", "compile", "onnxruntime"] = Field(
        "eager",
        description="How the network is run when it is timed, always with BatchNorm folded into the convolutions. "
        "`eager`: by PyTorch, channels-last, on a GPU as a CUDA graph. `compile`: by `torch.compile`, which takes "
        "seconds for each entry of the table. `onnxruntime`: by ONNX Runtime, on a GPU with TensorRT or CUDA.",
    )
    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="Number format of the timed network. `tf32`: float32 whose products a GPU rounds to TF32. "
        "`bfloat16`: of weights and features, for PyTorch's backends.",
    )

    @model_validator(mode="after")
    def _supported(self) -> Self:
        if self.backend == "onnxruntime" and self.precision == "bfloat16":
            raise WrongSetting(
                "precision", "ONNX Runtime computes no bfloat16; write `precision: float32` or another backend"
            )
        return self


class TableTiming(LatencyKey):
    """The keys of `latency` for the lookup table."""

    min_run_seconds: float = Field(
        0.02,
        gt=0,
        le=3600,
        description="Time in seconds for which one entry of the table is measured, on average over the entries.",
    )


class NetworkTiming(LatencyKey):
    """The keys of `latency` for a derived network."""

    profile_runs: int = Field(50, ge=5, le=1_000_000, description="Timed forward passes of a derived network.")


class LatencySettings(NetworkTiming, TableTiming):
    """How latency is measured, for the lookup table and for a derived network."""
