"""Settings of a round of the search: those of every method, and those that single methods add."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lbt.config.base import (
    GPUS_HELP,
    PATH,
    WITHOUT_EFFECT,
    Fraction,
    Gpus,
    NotNegative,
    Positive,
    ReadWith,
    Section,
    Size,
    Window,
    WrongSetting,
    read_above_zero,
    read_with,
)
from lbt.config.training import AdamSettings, ArchitectureSettings, OptimizerSettings

_SAMPLED = ReadWith("search.width_passes", lambda passes: "sampled" in passes, "`width_passes` with `sampled`")
_SECOND_ORDER = read_with("search.gradient", "one_step", "published")
_LEAST_POOLED_BATCH = 4
"""Least batch of a network that normalises pooled features: BatchNorm then has one number per image and channel."""


class PseudoLabelSettings(Section):
    """How the student learns from the teacher's labels (method lbt)."""

    targets: Literal["soft", "hard"] = Field(
        "soft",
        description="`soft`: the teacher's probabilities; `hard`: its most probable class. The architecture's gradient "
        "is that of soft labels in both cases.",
    )
    threshold: Fraction = Field(
        0.0, description="Least probability of the most probable class; the student ignores pixels below it."
    )
    weighting: Literal["uniform", "confidence"] = Field(
        "uniform",
        description="Weight of a pixel: the same for all, or the probability of its most probable class. The "
        "architecture's gradient holds the weights fixed, as the student's step does.",
    )
    temperature: float = Field(
        1.0,
        ge=0.001,
        le=1000,
        description="The labels are softmax(logits / temperature); above 1 flattens them, below 1 sharpens them. "
        "Shards keep no probability below 3e-8. At 2 this changes a label by less than 0.01, at 4 by up to 0.2.",
    )
    ratio: Positive | None = Field(
        None,
        description="How many images the teacher labels per image of student_train (D_pl : D_s^tr); absent: all "
        "unlabelled ones.",
    )


class LptSettings(Section):
    """Learning by Passing Tests: the tester is `search.student`, the bank of test images is teacher_val."""

    bank_weight: NotNegative = Field(1.0, description="Weight of the selected bank images in the tester's loss.")
    tester_weight: NotNegative = Field(
        1.0, description="Weight of the tester's validation loss in the creator's objective."
    )
    creator: AdamSettings = Field(AdamSettings(), description="Optimiser of the creator, which scores bank images.")


class StudentTraining(Section):
    """The keys of `search.student` with which the student is trained, before and in the search."""

    model: Literal["deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"] = Field(
        "deeplabv3_resnet50", description="torchvision segmentation network."
    )
    crop: Size = Field((128, 256), description="Height and width of the student's training crops in pixels.")
    batch_size: int = Field(
        8,
        ge=2,
        le=65_536,
        description="Labelled images, and as many unlabelled ones, per student step; with DeepLabV3 at least "
        f"{_LEAST_POOLED_BATCH}, because its BatchNorm of the pooled features has one number per image.",
    )
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the student's weights.")

    @model_validator(mode="after")
    def _normalised(self) -> Self:
        # LR-ASPP pools too, but normalises nothing after it. Several GPUs normalise their whole batch together.
        if self.model.startswith("deeplabv3") and self.batch_size < _LEAST_POOLED_BATCH:
            raise WrongSetting(
                "batch_size",
                f"{self.batch_size} is below {_LEAST_POOLED_BATCH}: {self.model} normalises its pooled features over "
                "the batch, where each image gives one number; raise it, or write `model: lraspp_mobilenet_v3_large`, "
                "which does not normalise them",
            )
        return self


class StudentSettings(StudentTraining):
    """The student that learns from the teacher's labels."""

    ORDER = ("model", "weights", "warmup_epochs", "crop", "batch_size", "optimizer")

    weights: Annotated[str, PATH] = Field(
        "none",
        min_length=1,
        description="First weights. `none`: drawn from the seed. `imagenet`: torchvision's weights of the backbone. "
        "`coco`: torchvision's weights of the network, without the layers that depend on the classes. Both are "
        "downloaded once. Other text is the path of a state dict, looked for like `data.root`: of the whole network "
        "with as many classes, or the file that torchvision downloads for `imagenet` or `coco`.",
    )
    warmup_epochs: NotNegative = Field(
        20.0,
        description="Passes over student_train before the search, shared by all methods of a seed; fractions work. 0: "
        "the search starts from the first weights.",
    )

    @property
    def weights_file(self) -> str | None:
        """The path that `weights` is, if it is one."""
        return None if self.weights in ("none", "imagenet", "coco") else self.weights


class SearchWindow(Section):
    """The key of `search` that says how fast the network must be."""

    fps: Window | None = Field(
        None,
        description="Least and most frames per second that you want. After each round, `latency_weight` doubles if the "
        "network is below the window, and halves if it is above. The latency table predicts the frames per second of "
        "the network that the rule `consistent` derives (16+32 with `branches: best`). Absent: the weight is constant.",
    )


class RandomMatch(SearchWindow):
    """The keys of `search` with which a random network is drawn."""

    random_match: str
    random_tolerance: float


class RoundSearch(SearchWindow):
    """The keys of `search` that a round of every method reads.

    The number of rounds is not one of them, because more rounds continue from the last one.
    """

    epochs: Positive = Field(1.0, description="Passes over teacher_train per round; fractions work.")
    batch_size: int = Field(4, ge=2, le=65_536, description="Images per teacher step and per architecture step.")
    decay: float = Field(0.98, gt=0, le=1, description="Factor on the learning rates of T and S after each round.")
    teacher: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the teacher's weights T.")
    architecture: ArchitectureSettings = Field(
        ArchitectureSettings(), description="Optimiser of the logits alpha, beta, gamma."
    )
    width_passes: tuple[Literal["sampled", "max", "min"], ...] = Field(
        ("sampled",),
        min_length=1,
        max_length=16,
        description="Widths of the supernet's passes in a step of T and in one of A; the step's loss is the sum over "
        "them. `sampled`: drawn from gamma, with new noise for each pass; `max`, `min`: the largest and the smallest. "
        "FasterSeg's release has [sampled, max, min]. A longer list has a larger loss, so that latency weighs less.",
    )
    width_temperature: Annotated[float, _SAMPLED] = Field(
        1.0,
        ge=0,
        le=1000,
        description="Sampled widths are drawn with the probabilities softmax(gamma / temperature); at 0 they are the "
        "most probable ones.",
    )
    width_temperature_decay: Annotated[float, _SAMPLED] = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor on that temperature after each round. Below 1, the most probable widths are sampled ever "
        "more often.",
    )
    width_temperature_least: Annotated[
        float, ReadWith("search.width_temperature_decay", lambda decay: decay < 1, "`width_temperature_decay` below 1")
    ] = Field(0.1, ge=0, le=1000, description="Least temperature to which it falls.")
    latency_weight: NotNegative = Field(
        0.01, description="Weight of the expected latency (milliseconds) in stage 3; with `fps` its first value."
    )
    latency_balance: Annotated[
        tuple[NotNegative, NotNegative, NotNegative], read_above_zero("search.latency_weight")
    ] = Field(
        (1.0, 1.0, 1.5),
        description="Factors on the latency's gradient in alpha, beta and gamma. With the default, the three have "
        "about equal norms at the start of a search with two branches.",
    )
    entropy_weight: NotNegative = Field(
        0.0,
        description="Weight of the mean entropy of the choices in stage 3, each as a fraction of the largest possible "
        "one. It makes probable choices more probable, also if they are probable by noise.",
    )
    cosearch: bool = Field(
        False,
        description="Search a second architecture on the same weights, at full width and without latency, and distil "
        "its retrained network into the searched one (FasterSeg's co-search).",
    )
    gpus: Gpus = Field(1, description=GPUS_HELP)
    keep_every: Annotated[int, WITHOUT_EFFECT] = Field(
        10,
        ge=1,
        le=1_000_000,
        description="The search keeps the supernet of each round whose number this divides, and of the last one (of "
        "the last two while it runs). It removes the others, with the probabilities from which their students learned. "
        "It keeps architecture, metrics, labels and confidences of every round.",
    )


class StudentSearch(RoundSearch):
    """The keys of `search` for a method that trains a second network."""

    student: StudentTraining = Field(StudentTraining(), description="The student S (lbt), the tester (lpt).")


class LbtSearch(StudentSearch):
    """The keys of `search` for a round of the method lbt."""

    pseudo_weight: NotNegative = Field(1.0, description="Weight of the pseudo-labelled images in the student's loss.")
    pseudo_labels: Annotated[PseudoLabelSettings, read_above_zero("search.pseudo_weight")] = Field(
        PseudoLabelSettings(), description="How the student learns from them."
    )
    student_weight: NotNegative = Field(1.0, description="Weight of the student's validation loss in stage 3.")
    student_term: Annotated[Literal["matched", "raw"], read_above_zero("search.student_weight")] = Field(
        "matched",
        description="`matched`: the student's term is scaled so that its gradient at fixed weights has the norm of the "
        "teacher's, both as root mean squares over the steps, and then by `student_weight`. `raw`: by `student_weight` "
        "alone.",
    )
    gradient: Literal["one_step", "direct", "published"] = Field(
        "direct",
        description="The gradient of stage 3. `one_step`: through one step of the teacher's and the student's weights. "
        "`direct`: without the part through the teacher's step. `published`: without the direct dependence of the "
        "labels on the architecture, as in the released code.",
    )
    second_order_limit: Annotated[Positive, _SECOND_ORDER] = Field(
        1.0,
        description="Largest norm of the part through the teacher's step, as a multiple of the norm of the part at "
        "fixed weights; a longer part is scaled down to it.",
    )

    student_memory: Annotated[float, read_above_zero("search.student_weight")] = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of the running mean, over the steps, of the gradient of the student's validation loss; 0: "
        "only the last batch.",
    )
    label_steps: Annotated[int, read_above_zero("search.student_weight")] = Field(
        1,
        ge=1,
        le=100,
        description="Number of the student's last steps whose labels count in stage 3, each with the factor by which "
        "momentum has enlarged its effect. Checkpoints hold the student's weights before each.",
    )
    norm_memory: Annotated[float, read_with("search.student_term", "matched")] = Field(
        0.99, ge=0, lt=1, description="`student_term: matched`: decay of the running mean of both terms' squared norms."
    )


class LptSearch(StudentSearch):
    """The keys of `search` for a round of the method lpt."""

    lpt: LptSettings = Field(LptSettings(), description="Learning by Passing Tests (method lpt).")
