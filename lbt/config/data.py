"""Settings of the data set, its split and its augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lbt.config.base import (
    PATH,
    WITHOUT_EFFECT,
    Fraction,
    Pixels,
    Section,
    Seed,
    Size,
    WrongSetting,
    read_with,
)
from lbt.config.folder import FolderSettings

Deviation = Annotated[float, Field(ge=0.001, le=1)]
Scale = Annotated[float, Field(ge=0.01, le=100)]


class SceneSettings(Section):
    """The synthetic street scenes, written in the Cityscapes layout to `data.root`."""

    train: int = Field(160, ge=8, le=100_000, description="Number of training scenes with labels.")
    val: int = Field(40, ge=2, le=100_000, description="Number of held-out scenes with labels (`leftImg8bit/val`).")
    test: int = Field(60, ge=1, le=100_000, description="Number of scenes without labels (`leftImg8bit/test`).")
    height: Pixels = Field(128, description="Height of a scene in pixels; odd sizes work.")
    width: Pixels = Field(256, description="Width of a scene in pixels; odd sizes work.")
    seed: Seed = Field(0, description="Seed of the scenes.")


class DataClasses(Section):
    """The keys of `data` that define the classes."""

    layout: Literal["cityscapes", "folder"] = Field(
        "cityscapes", description="`cityscapes` (leftImg8bit/, gtFine/) or `folder` (any images and masks)."
    )
    classes: Annotated[Literal[19, 34] | tuple[str, ...], read_with("data.layout", "cityscapes")] = Field(
        19, description="Cityscapes layout: 19 evaluated classes, all 34, or a list of class names."
    )
    folder: FolderSettings | None = Field(None, description="Folder layout: patterns, classes and ignored ids.")

    @model_validator(mode="after")
    def _folder_classes(self) -> Self:
        if self.layout == "folder":
            if self.folder is None or len(self.folder.classes) < 2:
                raise WrongSetting("layout", "`folder` needs `folder.classes` with at least two classes")
        elif self.folder is not None:
            raise WrongSetting("folder", "is only read with `layout: folder`; remove it or change the layout")
        if isinstance(self.classes, tuple) and len(self.classes) < 2:
            raise WrongSetting("classes", "at least two class names are needed")
        return self


class ImageFiles(Section):
    """The keys of `data` that reading an image needs."""

    root: Annotated[str, PATH] = Field(
        "results/data/scenes",
        min_length=1,
        description="Folder of the data set. `~` and `$HOME` stand for their folders. A relative path is looked for "
        "from the folder where the run starts, then from the folder of the configuration file.",
    )
    max_pixels: Annotated[int, WITHOUT_EFFECT] = Field(
        70_000_000,
        ge=1,
        le=1_000_000_000,
        description="Most pixels of an image. A larger image is refused before it is decoded, because a file of a few "
        "kilobytes can hold gigabytes of pixels.",
    )


class DataSettings(ImageFiles, DataClasses):
    """The data set: layout, place, classes, normalisation."""

    ORDER = ("layout", "root", "classes", "unlabeled", "folder", "mean", "std", "max_pixels")

    unlabeled: Annotated[Literal["test", "train_extra"], read_with("data.layout", "cityscapes")] = Field(
        "test", description="Cityscapes layout: the part that serves as unlabelled images (its labels are never read)."
    )
    mean: tuple[Fraction, Fraction, Fraction] = Field(
        (0.485, 0.456, 0.406), description="Mean of red, green and blue in [0, 1], subtracted from each pixel."
    )
    std: tuple[Deviation, Deviation, Deviation] = Field(
        (0.229, 0.224, 0.225),
        description="Standard deviation of red, green and blue in [0, 1], by which each pixel is divided.",
    )

    @field_validator("mean", "std", mode="before")
    @classmethod
    def _on_the_scale(cls, numbers: Any) -> Any:
        """Recognise numbers for pixels of 0 to 255, which other programs write."""
        values = list(numbers) if isinstance(numbers, list | tuple) else []
        if all(isinstance(value, int | float) and 1 <= value <= 255 for value in values) and max(values, default=0) > 1:
            scaled = ", ".join(f"{value / 255:.4g}" for value in values)
            raise ValueError(f"{values} is on the scale of 0 to 255; pixels are read as 0 to 1: write [{scaled}]")
        return tuple(values) if values else numbers


class SplitSettings(Section):
    """How the official training part is divided between weights and architecture, teacher and student."""

    scheme: Literal["halves", "disjoint"] = Field(
        "halves",
        description="`halves`: one part trains, one validates, shared by teacher and student (the published scheme); "
        "`disjoint`: four parts without a common image.",
    )
    train_fraction: Annotated[float, read_with("splits.scheme", "halves")] = Field(
        0.5, gt=0, lt=1, description="`halves`: share of images that train weights; the rest moves the architecture."
    )
    parts: Annotated[tuple[Fraction, Fraction, Fraction, Fraction], read_with("splits.scheme", "disjoint")] = Field(
        (0.4, 0.2, 0.2, 0.2),
        description="`disjoint`: shares of teacher_train, teacher_val, student_train, student_val; sum at most 1.",
    )
    seed: Seed = Field(
        0,
        description="Seed of the division, also of that by `data.folder.val_share` and `data.folder.unlabeled_share`; "
        "one division serves all seeds and methods.",
    )

    @model_validator(mode="after")
    def _sum(self) -> SplitSettings:
        if sum(self.parts) > 1 + 1e-9:
            raise WrongSetting("parts", f"the four shares sum to {sum(self.parts):g}; they may sum to 1 at most")
        if self.scheme == "disjoint" and min(self.parts) == 0:
            raise WrongSetting("parts", "with `scheme: disjoint` each of the four shares must be above 0")
        return self


class AugmentationSettings(Section):
    """Random changes of training images; held-out images are never changed."""

    crop: Size = Field((128, 256), description="Height and width of a training crop in pixels, at least 32 each.")
    scale: tuple[Scale, Scale] = Field(
        (0.75, 1.5), description="Range of the random resizing before the crop, as a factor of the image's size."
    )
    flip: Fraction = Field(0.5, description="Probability of a horizontal flip.")
    brightness: Fraction = Field(0.2, description="Largest relative change of the brightness.")
    contrast: Fraction = Field(0.2, description="Largest relative change of the contrast.")
    saturation: Fraction = Field(0.2, description="Largest relative change of the saturation.")

    @model_validator(mode="after")
    def _order(self) -> AugmentationSettings:
        if self.scale[0] > self.scale[1]:
            raise WrongSetting("scale", f"the lower end {self.scale[0]} is above the upper end {self.scale[1]}")
        return self
