"""Every setting: type, unit, bounds, default and one line of help.

This module is the only source: `config/README.md`, the checks and the values that reach a job all come from it. A
setting is a field of a frozen model; a model is a section of the YAML file. Checks that need two settings at once are
validators of the smallest model that holds both. What can only be checked against files is in `lbt.data.check`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lbt.search.methods import method_names

METHODS = method_names()
OFFICIAL_SPLITS = ("train", "val", "unlabeled")

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Size = tuple[Annotated[int, Field(ge=32)], Annotated[int, Field(ge=32)]]
Color = tuple[
    Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)]
]


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SceneSettings(Section):
    """The drawn street scenes, written in the Cityscapes layout to `data.root`."""

    train: int = Field(160, ge=8, description="Number of training scenes with labels.")
    val: int = Field(40, ge=2, description="Number of held-out scenes with labels (`leftImg8bit/val`).")
    test: int = Field(60, ge=1, description="Number of scenes without labels (`leftImg8bit/test`).")
    height: int = Field(128, ge=32, description="Height of a scene in pixels; odd sizes work.")
    width: int = Field(256, ge=32, description="Width of a scene in pixels; odd sizes work.")
    seed: int = Field(0, ge=0, description="Seed of the drawing.")


class ClassSettings(Section):
    """One class of a folder data set."""

    name: str = Field(min_length=1, description="Name of the class in tables and shards.")
    id: int = Field(ge=0, le=254, description="Value of the class in the masks.")
    color: Color = Field(description="Red, green and blue of the class in pictures, 0 to 255 each.")


class FolderSettings(Section):
    """Where a folder data set keeps its images and masks, and what the mask values mean."""

    images: str = Field("{split}/*", description="Pattern of the images below `data.root`; `{split}` is replaced.")
    masks: str = Field(
        "{split}annot/*",
        description="Pattern of the masks below `data.root`; a mask belongs to the image of the same stem.",
    )
    mask_suffix: str = Field("", description="Text between an image's stem and its mask's ending, such as `_mask`.")
    splits: dict[Literal["train", "val", "unlabeled"], str] = Field(
        {"train": "train", "val": "val", "unlabeled": "test"},
        description="What stands for `{split}` in each of the three official parts.",
    )
    classes: tuple[ClassSettings, ...] = Field((), description="The evaluated classes, in the order of the tables.")
    ignore: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        (255,), description="Mask values that are neither trained nor scored."
    )
    group: str = Field(
        r"^(.*?)_?[^_]*$",
        description="Regular expression; its first group, applied to an image's stem, names the stretch of images that "
        "a split keeps together.",
    )
    stretch: int = Field(
        1, ge=1, description="Cut each group into this many runs of neighbouring images; each run stays together."
    )

    @model_validator(mode="after")
    def _consistent(self) -> FolderSettings:
        for name in ("images", "masks"):
            if "*" not in getattr(self, name):
                raise ValueError(f"{name}: needs a `*` for the file name, as in `{{split}}/*`")
        if set(self.splits) != set(OFFICIAL_SPLITS):
            raise ValueError(f"splits: needs the keys {', '.join(OFFICIAL_SPLITS)}")
        for key in ("name", "id"):
            values = [getattr(c, key) for c in self.classes]
            double = sorted({v for v in values if values.count(v) > 1}, key=str)
            if double:
                raise ValueError(f"classes: the {key} {double[0]!r} stands twice")
        both = sorted({c.id for c in self.classes} & set(self.ignore))
        if both:
            raise ValueError(f"classes: id {both[0]} is a class and stands in `ignore`")
        return self


class DataSettings(Section):
    """The data set: layout, place, classes, normalisation."""

    layout: Literal["cityscapes", "folder"] = Field(
        "cityscapes", description="`cityscapes` (leftImg8bit/, gtFine/) or `folder` (any images and masks)."
    )
    root: str = Field("results/data/scenes", min_length=1, description="Folder of the data set.")
    classes: Literal[19, 34] | tuple[str, ...] = Field(
        19, description="Cityscapes layout: 19 evaluated classes, all 34, or a list of class names."
    )
    unlabeled: Literal["test", "train_extra"] = Field(
        "test", description="Cityscapes layout: the part that serves as unlabelled images (its labels are never read)."
    )
    folder: FolderSettings | None = Field(None, description="Folder layout: patterns, classes and ignored ids.")
    mean: tuple[float, float, float] = Field(
        (0.485, 0.456, 0.406), description="Mean of red, green and blue in [0, 1] that is subtracted."
    )
    std: tuple[Positive, Positive, Positive] = Field(
        (0.229, 0.224, 0.225), description="Standard deviation of red, green and blue in [0, 1] that is divided by."
    )

    @model_validator(mode="after")
    def _folder_classes(self) -> DataSettings:
        if self.layout == "folder":
            if self.folder is None or len(self.folder.classes) < 2:
                raise ValueError("layout `folder` needs `folder.classes` with at least two classes")
        elif self.folder is not None:
            raise ValueError("`folder` is only read with `layout: folder`; remove it or change the layout")
        if isinstance(self.classes, tuple) and len(self.classes) < 2:
            raise ValueError("classes: at least two class names are needed")
        return self


class SplitSettings(Section):
    """How the official training part is divided between weights and architecture, teacher and student."""

    scheme: Literal["halves", "disjoint"] = Field(
        "halves",
        description="`halves`: one part trains, one validates, shared by teacher and student (the published scheme); "
        "`disjoint`: four parts without a common image.",
    )
    train_fraction: float = Field(
        0.5, gt=0, lt=1, description="`halves`: share of images that train weights; the rest moves the architecture."
    )
    parts: tuple[Fraction, Fraction, Fraction, Fraction] = Field(
        (0.4, 0.2, 0.2, 0.2),
        description="`disjoint`: shares of teacher_train, teacher_val, student_train, student_val; sum at most 1.",
    )
    seed: int = Field(0, ge=0, description="Seed of the division; one division serves all seeds and methods.")

    @model_validator(mode="after")
    def _sum(self) -> SplitSettings:
        if sum(self.parts) > 1 + 1e-9:
            raise ValueError(f"parts: the four shares sum to {sum(self.parts):g}; they may sum to 1 at most")
        if self.scheme == "disjoint" and min(self.parts) == 0:
            raise ValueError("parts: with `scheme: disjoint` each of the four shares must be above 0")
        return self


class AugmentationSettings(Section):
    """Random changes of training images; held-out images are never changed."""

    crop: Size = Field((128, 256), description="Height and width of a training crop in pixels, at least 32 each.")
    scale: tuple[Positive, Positive] = Field(
        (0.75, 1.5), description="Range of the random resizing before the crop, as a factor of the image's size."
    )
    flip: Fraction = Field(0.5, description="Probability of a horizontal flip.")
    brightness: Fraction = Field(0.2, description="Largest relative change of the brightness.")
    contrast: Fraction = Field(0.2, description="Largest relative change of the contrast.")
    saturation: Fraction = Field(0.2, description="Largest relative change of the saturation.")

    @model_validator(mode="after")
    def _order(self) -> AugmentationSettings:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale: the lower end {self.scale[0]} is above the upper end {self.scale[1]}")
        return self


class SpaceSettings(Section):
    """The FasterSeg search space."""

    layers: int = Field(16, ge=4, description="Number of searched layers L after the stem.")
    base_width: int = Field(12, ge=2, description="Base width F: scales 1/8, 1/16, 1/32 have 8F, 16F, 32F channels.")
    width_twelfths: tuple[Annotated[int, Field(ge=1, le=12)], ...] = Field(
        (4, 6, 8, 10, 12), description="Selectable widths of a cell in twelfths of the full width, ascending."
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
        description="Skip cells of a derived branch are pruned only while more than this many cells remain; absent: "
        "the released rule, a third of the layers plus 2 per halving of the resolution after 1/8.",
    )

    @model_validator(mode="after")
    def _widths(self) -> SpaceSettings:
        if not self.width_twelfths or list(self.width_twelfths) != sorted(set(self.width_twelfths)):
            raise ValueError(f"width_twelfths: must ascend without repeats, found {list(self.width_twelfths)}")
        return self


class LatencySettings(Section):
    """How latency is measured, for the lookup table and for a derived network."""

    input_size: Size = Field((128, 256), description="Height and width in pixels at which latency is measured.")
    backend: Literal["eager"] = Field("eager", description="How the network is run when it is timed.")
    precision: Literal["float32"] = Field("float32", description="Number format of the timed network.")
    min_run_seconds: Positive = Field(
        0.02, description="Time in seconds for which one entry of the table is measured, on average over the entries."
    )
    profile_runs: int = Field(50, ge=5, description="Timed forward passes of a derived network.")


class OptimizerSettings(Section):
    """Stochastic gradient descent with momentum."""

    lr: Positive = Field(0.01, description="Learning rate at the first step.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum.")
    weight_decay: float = Field(5.0e-4, ge=0, description="Weight decay.")
    clip_norm: Positive = Field(5.0, description="Largest norm of the gradient; a larger one is scaled down to it.")


class WarmupSettings(Section):
    """Training of the supernet before the search, with the architecture frozen; shared by all methods of a seed."""

    epochs: Positive = Field(20.0, description="Passes over teacher_train; fractions work.")
    batch_size: int = Field(4, ge=2, description="Images per step.")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the supernet's weights.")
    decay: float = Field(0.99, gt=0, le=1, description="Factor on the learning rate after each pass.")


class AdamSettings(Section):
    """Adam."""

    lr: Positive = Field(3.0e-4, description="Learning rate.")
    beta1: float = Field(0.5, ge=0, lt=1, description="First decay rate.")
    beta2: float = Field(0.999, ge=0, lt=1, description="Second decay rate.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay.")
    clip_norm: Positive = Field(1.0, description="Largest norm of the gradient; a larger one is scaled down to it.")


class PseudoLabelSettings(Section):
    """How the student learns from the teacher's labels (method lbt)."""

    targets: Literal["soft", "hard"] = Field(
        "soft",
        description="`soft`: the teacher's probabilities; `hard`: its most probable class. The architecture's gradient "
        "is that of soft labels in both cases.",
    )
    threshold: Fraction = Field(
        0.0, description="Least probability of the most probable class; pixels below it are not learned from."
    )
    weighting: Literal["uniform", "confidence"] = Field(
        "uniform", description="Weight of a pixel: the same for all, or the probability of its most probable class."
    )
    temperature: Positive = Field(
        1.0, description="The labels are softmax(logits / temperature); above 1 levels them, below 1 sharpens them."
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
        1.0, description="Weight of the tester's validation loss in what the creator of tests maximises."
    )
    creator: AdamSettings = Field(AdamSettings(), description="Optimiser of the creator, which scores bank images.")


class StudentSettings(Section):
    """The student that learns from the teacher's labels."""

    model: Literal["deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"] = Field(
        "deeplabv3_resnet50", description="torchvision segmentation network."
    )
    crop: Size = Field((128, 256), description="Height and width of the student's training crops in pixels.")
    batch_size: int = Field(2, ge=2, description="Labelled images, and as many unlabelled ones, per student step.")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the student's weights.")


Window = tuple[Positive, Positive]


class SearchSettings(Section):
    """Rounds of the search. Each step: one step of T, one of S (lbt), one of A (not random)."""

    rounds: int = Field(30, ge=1, description="Rounds; more rounds continue from the last one.")
    epochs: Positive = Field(1.0, description="Passes over teacher_train per round; fractions work.")
    batch_size: int = Field(4, ge=2, description="Images per teacher step and per architecture step.")
    decay: float = Field(0.98, gt=0, le=1, description="Factor on the learning rates of T and S after each round.")
    teacher: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the teacher's weights T.")
    student: StudentSettings = Field(StudentSettings(), description="The student S (lbt), the tester (lpt).")
    architecture: AdamSettings = Field(
        AdamSettings(), description="Optimiser of the logits alpha, beta, gamma; its learning rate is eta."
    )
    latency_weight: float = Field(
        0.01, ge=0, description="Weight of the expected latency (milliseconds) in stage 3; with `fps` its first value."
    )
    latency_balance: tuple[NotNegative, NotNegative, NotNegative] = Field(
        (1.0, 1.0, 1.5),
        description="Factors on the latency's gradient to alpha, beta and gamma; the default makes the three about "
        "equally long where a search of two branches begins.",
    )
    fps: Window | None = Field(
        None,
        description="Least and most frames per second wanted of the network that the released rule derives (16+32 with "
        "`branches: best`), as the latency table predicts them: after each round `latency_weight` doubles below the "
        "window and halves above it. Absent: it is constant.",
    )
    cosearch: bool = Field(
        False,
        description="Search a second architecture on the same weights, at full width and without latency, and distil "
        "its retrained network into the searched one (FasterSeg's co-search).",
    )
    pseudo_weight: NotNegative = Field(1.0, description="Weight of the pseudo-labelled images in the student's loss.")
    pseudo_labels: PseudoLabelSettings = Field(PseudoLabelSettings(), description="What the student learns of them.")
    student_weight: NotNegative = Field(1.0, description="Weight of the student's validation loss in stage 3.")
    student_term: Literal["matched", "raw"] = Field(
        "matched",
        description="`matched` rescales the student's term so that its gradient at fixed weights is as long as the "
        "teacher's before `student_weight`; `raw` leaves it.",
    )
    gradient: Literal["one_step", "direct", "published"] = Field(
        "direct",
        description="The gradient of stage 3: `one_step` through one step of the teacher's and the student's weights; "
        "`direct` without the part through the teacher's step; `published` without the direct dependence of the labels "
        "on the architecture, as in the released code.",
    )
    second_derivative: Literal["exact", "difference"] = Field(
        "exact",
        description="How `one_step` and `published` take the mixed second derivative: exactly, or by a central "
        "difference, which takes less time, and less memory where features are larger than weights.",
    )
    second_order_limit: Positive = Field(
        1.0,
        description="Largest norm of the part through the teacher's step, as a multiple of the part at fixed weights; "
        "a longer one is scaled down to it.",
    )
    lpt: LptSettings = Field(LptSettings(), description="Learning by Passing Tests (method lpt).")
    shards: int = Field(1, ge=1, description="Pseudo-label shards per round; each is a job of its own.")
    random_match: Literal[*METHODS, "window", "none"] = Field(
        "lbt",
        description="Searched method whose predicted latency the random architectures must have; `window`: any in "
        "`fps`; `none`: any latency.",
    )
    random_tolerance: float = Field(
        0.1, gt=0, lt=1, description="Allowed relative difference of that predicted latency."
    )

    @model_validator(mode="after")
    def _window(self) -> SearchSettings:
        _check_window(self.fps)
        if self.random_match == "window" and self.fps is None:
            raise ValueError("random_match: `window` needs `fps`; give a window or another match")
        if self.fps is not None and self.latency_weight == 0:
            raise ValueError("latency_weight: 0 stays 0 when it is doubled or halved; with `fps` it must be above 0")
        return self


class DerivationSettings(Section):
    """From the searched architecture to the discrete network."""

    rule: Literal["released", "search"] = Field(
        "released",
        description="`released`: the path by the largest product of beta, as in FasterSeg's code; `search`: every path "
        "is scored on teacher_val with the supernet's weights, and the best inside the window is kept.",
    )
    fps: Window | None = Field(
        None, description="Window in frames per second of `rule: search`; absent: that of `search.fps`, or none."
    )
    paths: int | None = Field(
        None, ge=1, description="`rule: search`: score only so many paths, the most probable ones; absent: all."
    )
    images: int | None = Field(
        None, ge=1, description="Images of teacher_val on which a path is scored, evenly spaced; absent: all."
    )

    @model_validator(mode="after")
    def _window(self) -> DerivationSettings:
        _check_window(self.fps)
        return self


def _check_window(fps: tuple[float, float] | None) -> None:
    if fps is not None and fps[0] >= fps[1]:
        raise ValueError(f"fps: the lower end {fps[0]:g} must be below the upper end {fps[1]:g}")


class RetrainSettings(Section):
    """Training of the derived network on the whole official training part."""

    epochs: Positive = Field(600.0, description="Passes over the training images; fractions work.")
    batch_size: int = Field(8, ge=2, description="Images per step.")
    optimizer: OptimizerSettings = Field(OptimizerSettings(), description="Optimiser of the network's weights.")
    power: float = Field(0.9, ge=0, description="The learning rate falls as (1 - step/steps) to this power.")
    auxiliary_weight: float = Field(0.4, ge=0, description="Weight of the losses of the training-only heads.")
    initial: Literal["random", "supernet"] = Field(
        "random", description="First weights: drawn, or inherited from the supernet after its last round."
    )
    distillation_weight: float = Field(
        1.0, ge=0, description="With `search.cosearch`: weight of the divergence from the co-searched network."
    )


class EvaluationSettings(Section):
    """Scoring on the official validation images."""

    batch_size: int = Field(4, ge=1, description="Images per forward pass.")
    calibration_batches: int = Field(
        8,
        ge=1,
        description="Training batches on which a supernet's BatchNorm statistics are recomputed before scoring.",
    )
    pictures: int = Field(4, ge=0, description="Number of pictures of ground truth beside prediction.")


class ComputeSettings(Section):
    """Where and how wide the jobs run."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto` takes the GPU where there is one.")
    threads: int = Field(
        2,
        ge=1,
        description="CPU threads of a job. Part of the settings, because sums in another order round otherwise.",
    )
    workers: int = Field(0, ge=0, description="Loader processes of a job; the results do not depend on it.")


class Settings(Section):
    """A whole configuration file."""

    run: str = Field(
        "default", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="Name of the folder below `results/`."
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1, description="Seeds; each is a repeat.")
    methods: tuple[Literal[METHODS], ...] = Field(
        METHODS, min_length=1, description="Search methods to compare; each is a module of `lbt/search/methods`."
    )
    scenes: SceneSettings | None = Field(None, description="Draw street scenes into `data.root`; absent for real data.")
    data: DataSettings = Field(DataSettings(), description="The data set.")
    splits: SplitSettings = Field(SplitSettings(), description="Parts of the training images.")
    augmentation: AugmentationSettings = Field(AugmentationSettings(), description="Augmentation of training images.")
    space: SpaceSettings = Field(SpaceSettings(), description="The search space.")
    latency: LatencySettings = Field(LatencySettings(), description="Latency measurement.")
    warmup: WarmupSettings = Field(WarmupSettings(), description="Warm-up of the supernet.")
    search: SearchSettings = Field(SearchSettings(), description="The search.")
    derivation: DerivationSettings = Field(DerivationSettings(), description="Derivation of the discrete network.")
    retrain: RetrainSettings = Field(RetrainSettings(), description="Retraining of the derived network.")
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="Evaluation.")
    compute: ComputeSettings = Field(ComputeSettings(), description="Device, threads, loader processes.")

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        if self.scenes is not None and self.data.layout != "cityscapes":
            raise ValueError(
                "scenes: drawn scenes have `data.layout: cityscapes`; change the layout or remove `scenes`"
            )
        for name in ("seeds", "methods"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name}: a value stands twice in {list(values)}")
        inherits = {
            "retrain.initial: supernet": self.retrain.initial == "supernet",
            "derivation.rule: search": self.derivation.rule == "search",
            "space.branches: best": self.space.branches == "best",
        }
        reason = next((setting for setting, wanted in inherits.items() if wanted), None)
        if reason is not None and self.space.head_twelfths > self.space.width_twelfths[-1]:
            raise ValueError(
                f"space.head_twelfths: {self.space.head_twelfths} is above the largest of space.width_twelfths, "
                f"{self.space.width_twelfths[-1]}: with `{reason}` a network whose last cells are pruned could not "
                "take its weights from the supernet; add that width or lower the head's"
            )
        match = self.search.random_match
        if match == "random":
            raise ValueError(
                "search.random_match: random cannot match itself; name a searched method, `window` or `none`"
            )
        if "random" in self.methods and match not in ("none", "window", *self.methods):
            raise ValueError(
                f"search.random_match: {match} is not among `methods`; add it there or write `random_match: none`"
            )
        return self
