"""Settings of optimisers, of the warm-up, of scoring and of the machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lbt.config.base import (
    GPUS_HELP,
    WITHOUT_EFFECT,
    Gpus,
    NotNegative,
    Positive,
    Section,
    check_gpus,
    read_with,
)


class OptimizerSettings(Section):
    """Stochastic gradient descent with momentum."""

    lr: Positive = Field(0.01, description="Learning rate at the first step.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum.")
    weight_decay: NotNegative = Field(5.0e-4, description="Weight decay.")
    clip_norm: Positive = Field(5.0, description="Largest norm of the gradient; a larger one is scaled down to it.")


class AdamSettings(Section):
    """Adam."""

    lr: Positive = Field(3.0e-4, description="Learning rate.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First decay rate.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Second decay rate.")
    weight_decay: NotNegative = Field(0.0, description="Weight decay.")
    clip_norm: Positive = Field(1.0, description="Largest norm of the gradient; a larger one is scaled down to it.")


class ArchitectureSettings(AdamSettings):
    """Adam for the logits of the architecture."""

    accumulate: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="Steps of the search per step of the logits, which uses the mean of their gradients. A group of "
        "steps may continue in the next round.",
    )


class WarmupSettings(Section):
    """Training of the supernet before the search, with the architecture frozen; shared by all methods of a seed."""

    epochs: Positive = Field(20.0, description="Passes over teacher_train; fractions work.")
    batch_size: int = Field(4, ge=2, le=65_536, description="Images per step.")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the supernet's weights.")
    decay: float = Field(0.99, gt=0, le=1, description="Factor on the learning rate after each pass.")
    gpus: Gpus = Field(1, description=GPUS_HELP)

    @model_validator(mode="after")
    def _divided(self) -> WarmupSettings:
        check_gpus(self.gpus, batch_size=self.batch_size)
        return self


class ScoreBatches(Section):
    """The key of `evaluation` with which the supernet is scored."""

    batch_size: int = Field(4, ge=1, le=65_536, description="Images per forward pass.")


class Calibration(Section):
    """The key of `evaluation` with which BatchNorm statistics are recomputed."""

    calibration_batches: int = Field(
        8,
        ge=1,
        le=1_000_000,
        description="Training batches on which a supernet's BatchNorm statistics are recomputed before scoring.",
    )


class CandidateScoring(Calibration, ScoreBatches):
    """The keys of `evaluation` with which candidates are scored."""


class NetworkScoring(ScoreBatches):
    """The keys of `evaluation` with which a retrained network is scored."""

    pictures: int = Field(
        4,
        ge=0,
        le=1_000_000,
        description="Number of evenly spaced images that are shown with ground truth and prediction. As many of the "
        "worst and of the best images are added, at most 3 each.",
    )


class EvaluationSettings(NetworkScoring, CandidateScoring):
    """Scoring on the official validation images."""

    every_round: bool = Field(
        False,
        description="Whether to score the supernet of every round, for the curve of mIoU, or only that of the last "
        "one. All are scored at the end, so with several rounds `true` needs `search.keep_every: 1`.",
    )


class ComputeDevice(Section):
    """The keys of `compute` that change what is measured, and all results."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto` takes the GPU where there is one.")
    threads: int = Field(
        2,
        ge=1,
        le=4096,
        description="CPU threads of a job. A change reruns stages, because sums in another order differ by rounding.",
    )


class ComputeKernels(ComputeDevice):
    """The keys of `compute` that change the results of training and prediction."""

    precision: Literal["float32", "tf32", "bfloat16"] = Field(
        "float32",
        description="Number format of weight steps, labelling, scoring and retraining. `tf32` speeds up a GPU's "
        "convolutions; on a CPU it is float32. `bfloat16` is fast on GPUs, and on CPUs with instructions for it; "
        "losses, softmax and BatchNorm statistics stay float32. Steps of the architecture, and scores that "
        "decide it, are always float32. Latency has a format of its own (`latency.precision`).",
    )
    deterministic: Annotated[bool, read_with("compute.device", "auto", "cuda")] = Field(
        False,
        description="Use only those kernels of a GPU that repeat a result bit by bit. They are slower, bilinear "
        "upsampling's backward pass most of all. By default two runs on a GPU differ by rounding, as do an interrupted "
        "and an uninterrupted one. Results on a CPU always repeat.",
    )


class LoadingCompute(ComputeKernels):
    """The keys of `compute` of a job that loads images beside its work."""

    workers: Annotated[int, WITHOUT_EFFECT] = Field(
        0,
        ge=0,
        le=1024,
        description="Loader processes of a job, which all its loaders share; labelling uses as many threads. The "
        "results do not depend on it.",
    )


class ResumingDevice(ComputeDevice):
    """The keys of `compute` of a long stage, which saves its state."""

    checkpoint_minutes: Annotated[float, WITHOUT_EFFECT] = Field(
        5.0,
        ge=0,
        le=1_000_000,
        description="Minutes between two saves of a long stage's state. After a stop the stage resumes from the last "
        "save. The results do not depend on it.",
    )


class ComputeSettings(LoadingCompute, ResumingDevice):
    """Device, threads, number format and loader processes of the jobs."""

    ORDER = ("device", "threads", "precision", "deterministic", "workers", "cache", "cache_gb", "checkpoint_minutes")

    cache: Annotated[Literal["none", "memory", "file"], WITHOUT_EFFECT] = Field(
        "memory",
        description="Where a training keeps decoded images and masks, so that each is decoded once: in memory, or in a "
        "file in the temporary folder (`TMPDIR`). The results do not depend on it.",
    )
    cache_gb: Annotated[float, WITHOUT_EFFECT, read_with("compute.cache", "memory", "file")] = Field(
        1.0,
        ge=0,
        le=1_000_000,
        description="Most gigabytes of decoded images and masks that a process of a job keeps; further ones are "
        "decoded each time. 2,975 images of 1024 x 2048 pixels need 25, CamVid needs 0.3.",
    )
