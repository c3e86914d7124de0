"""Settings of the data set, its split and its augmentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from lbt.config.base import (
    OFFICIAL_SPLITS,
    PATH,
    WITHOUT_EFFECT,
    Color,
    Fraction,
    Pixels,
    Section,
    Seed,
    Size,
    WrongSetting,
    check_name,
    check_path,
    read_if_text,
    read_with,
)

Deviation = Annotated[float, Field(ge=0.001, le=1)]
Scale = Annotated[float, Field(ge=0.01, le=100)]
_MASK_VALUES = "data.folder.mask_values"
_WITH_SPLIT = read_if_text("data.folder.images", "{split}", holds=True)
_WITHOUT_SPLIT = read_if_text("data.folder.images", "{split}", holds=False)


class SceneSettings(Section):
    """The synthetic street scenes, written in the Cityscapes layout to `data.root`."""

    train: int = Field(160, ge=8, le=100_000, description="Number of training scenes with labels.")
    val: int = Field(40, ge=2, le=100_000, description="Number of held-out scenes with labels (`leftImg8bit/val`).")
    test: int = Field(60, ge=1, le=100_000, description="Number of scenes without labels (`leftImg8bit/test`).")
    height: Pixels = Field(128, description="Height of a scene in pixels; odd sizes work.")
    width: Pixels = Field(256, description="Width of a scene in pixels; odd sizes work.")
    seed: Seed = Field(0, description="Seed of the scenes.")


class ClassSettings(Section):
    """One class of a folder data set."""

    name: str = Field(min_length=1, description="Name of the class in tables and shards.")
    id: int | None = Field(
        None, ge=0, le=255, description="Value of the class in the masks; with `mask_values: color` it is not read."
    )
    color: Color = Field(
        description="Red, green and blue of the class in pictures, and in the masks with `mask_values: color`."
    )

    @model_validator(mode="before")
    @classmethod
    def _color(cls, content: Any) -> Any:
        if isinstance(content, dict) and "color" in content:
            color = _three_numbers(f"class {content.get('name', '')}".rstrip(), content["color"])
            return content | {"color": color}
        return content

    @field_validator("name")
    @classmethod
    def _shown(cls, name: str) -> str:
        check_name(name)
        return name


def _three_numbers(where: str, color: Any) -> Color:
    """Say what a colour is, before its numbers are looked at one by one."""
    numbers = list(color) if isinstance(color, list | tuple) else []
    if len(numbers) != 3 or any(type(number) is not int or not 0 <= number <= 255 for number in numbers):
        raise ValueError(f"{where}: a colour has three numbers, 0 to 255; found {numbers or color!r}")
    return tuple(numbers)


class FolderSettings(Section):
    """The images and masks of a data set in folders, and the meaning of the mask values."""

    images: str = Field(
        "{split}/*",
        description="Pattern of the images below `data.root`; `{split}` is replaced. Without `{split}` the images are "
        "divided by `val_share` and `unlabeled_share`.",
    )
    masks: str = Field(
        "{split}annot/*",
        description="Pattern of the masks below `data.root`; a mask belongs to the image of the same stem. Where "
        "several images have one stem, the folders that the wildcards stand for must be equal too.",
    )
    image_prefix: str = Field("", description="Text at the start of an image's stem that its mask lacks.")
    image_suffix: str = Field("", description="Text at the end of an image's stem that its mask lacks, such as `_rgb`.")
    mask_prefix: str = Field("", description="Text at the start of a mask's stem that its image lacks.")
    mask_suffix: str = Field("", description="Text at the end of a mask's stem that its image lacks, such as `_mask`.")
    splits: Annotated[dict[Literal["train", "val", "unlabeled"], str], _WITH_SPLIT] = Field(
        {"train": "train", "val": "val", "unlabeled": "test"},
        description="Text that replaces `{split}`, for each of the three official parts.",
    )
    val_share: Annotated[float, _WITHOUT_SPLIT] = Field(
        0.2,
        gt=0,
        lt=1,
        description="Patterns without `{split}`: share of the images with a mask that are held out for the evaluation.",
    )
    unlabeled_share: Annotated[float, _WITHOUT_SPLIT] = Field(
        0.2,
        ge=0,
        lt=1,
        description="Patterns without `{split}`: share of the images with a mask that become unlabelled images. Their "
        "masks are not read, so that the teacher may label them. Images without a mask are unlabelled too.",
    )
    mask_values: Literal["id", "color"] = Field(
        "id",
        description="Content of a mask: the `id` of the class in one 8-bit channel, or its `color` in red, "
        "green and blue.",
    )
    exif: Literal["turn", "stored"] | None = Field(
        None,
        description="Photographs that are marked as turned (EXIF) are turned upright, as viewers show them. `turn`: "
        "their masks were drawn on the upright photograph; `stored`: on the stored pixels, so that a mask is turned "
        "with its photograph; absent: the size of each mask must show that it is upright.",
    )
    classes: tuple[ClassSettings, ...] = Field(
        (), max_length=255, description="The evaluated classes, in the order of the tables."
    )
    ignore: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], read_with(_MASK_VALUES, "id")] = Field(
        (255,),
        description="`mask_values: id`: mask values that are neither trained nor scored; absent: 255, if no class has "
        "it.",
    )
    ignore_colors: Annotated[tuple[Color, ...], read_with(_MASK_VALUES, "color")] = Field(
        ((0, 0, 0),),
        description="`mask_values: color`: colours that are neither trained nor scored; absent: black, if no class has "
        "it.",
    )
    group: str = Field(
        r"^(.*?)_?[^_]*$",
        description="Regular expression; its first group, applied to an image's stem, names the stretch of images that "
        "a split keeps together. An expression with a `/` is applied to folder and stem below `data.root`, such as "
        "`photos/camera-a/0001`.",
    )
    stretch: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="Cut each group into this many runs of neighbouring images; each run stays together.",
    )

    @field_validator("ignore_colors", mode="before")
    @classmethod
    def _colors(cls, colors: Any) -> Any:
        if isinstance(colors, list | tuple):
            return tuple(_three_numbers("ignore_colors", color) for color in colors)
        return colors

    @model_validator(mode="after")
    def _consistent(self) -> FolderSettings:
        # A default of the ignored values gives way to a class.
        if "ignore" not in self.model_fields_set and any(c.id == 255 for c in self.classes):
            object.__setattr__(self, "ignore", ())
        if "ignore_colors" not in self.model_fields_set and any(c.color == (0, 0, 0) for c in self.classes):
            object.__setattr__(self, "ignore_colors", ())
        for name in ("images", "masks"):
            pattern = getattr(self, name)
            if "*" not in pattern:
                raise WrongSetting(name, "needs a `*` for the file name, as in `{split}/*`")
            for split in self.splits.values():
                check_path(name, pattern.replace("{split}", split))
        if ("{split}" in self.images) != ("{split}" in self.masks) and "{split}" not in self.images:
            raise WrongSetting("masks", "has `{split}`, `images` has not; write it in both or in `masks` not")
        if self.val_share + self.unlabeled_share >= 1:
            raise WrongSetting(
                "val_share",
                f"with unlabeled_share, {self.val_share:g} + {self.unlabeled_share:g} leaves no image to train on",
            )
        if set(self.splits) != set(OFFICIAL_SPLITS):
            raise WrongSetting("splits", f"needs the keys {', '.join(OFFICIAL_SPLITS)}")
        for key in ("name", "id", "color"):
            values = [getattr(c, key) for c in self.classes if getattr(c, key) is not None]
            double = sorted({v for v in values if values.count(v) > 1}, key=str)
            if double:
                raise WrongSetting("classes", f"the {key} {double[0]!r} is listed twice")
        if self.mask_values == "id":
            without = [c.name for c in self.classes if c.id is None]
            if without:
                raise WrongSetting(
                    "classes", f"{without[0]} has no `id`; give its value in the masks, or write `mask_values: color`"
                )
            both = sorted({c.id for c in self.classes if c.id is not None} & set(self.ignore))
            if both:
                raise WrongSetting(
                    "classes", f"id {both[0]} is a class and is also in `ignore`; remove it from one of them"
                )
        else:
            ignored = sorted({c.color for c in self.classes} & set(self.ignore_colors))
            if ignored:
                rest = [list(color) for color in self.ignore_colors if color not in ignored]
                raise WrongSetting(
                    "classes",
                    f"color {list(ignored[0])} is a class and also in `ignore_colors`; write `ignore_colors: {rest}`",
                )
        return self


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
        description="Most pixels of an image: a larger file is refused before its pixels are decoded, because a few "
        "kilobytes can hold gigabytes of them.",
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
