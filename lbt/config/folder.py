"""Settings of a data set of your own: photographs and masks in folders, and their classes."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lbt.config.base import (
    OFFICIAL_SPLITS,
    Color,
    Section,
    WrongSetting,
    check_name,
    check_path,
    read_if_text,
    read_with,
)

_MASK_VALUES = "data.folder.mask_values"
_WITH_SPLIT = read_if_text("data.folder.images", "{split}", holds=True)
_WITHOUT_SPLIT = read_if_text("data.folder.images", "{split}", holds=False)


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
            raise WrongSetting("masks", "has `{split}`, but `images` has not; write it in both, or remove it here")
        if self.val_share + self.unlabeled_share >= 1:
            raise WrongSetting(
                "val_share",
                f"with unlabeled_share, {self.val_share:g} + {self.unlabeled_share:g} leaves no image to train on",
            )
        if set(self.splits) != set(OFFICIAL_SPLITS):
            raise WrongSetting("splits", f"needs the keys {', '.join(OFFICIAL_SPLITS)}")
        for key in ("name", "id", "color"):
            values = [getattr(c, key) for c in self.classes if getattr(c, key) is not None]
            if key == "name":  # two encodings of one accent look alike
                values = [unicodedata.normalize("NFC", name) for name in values]
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
