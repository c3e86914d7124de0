"""Types and checks that the sections of the settings share."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

OfficialSplit = Literal["train", "val", "unlabeled"]
OFFICIAL_SPLITS: tuple[OfficialSplit, ...] = get_args(OfficialSplit)

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, le=1.0e9)]
NotNegative = Annotated[float, Field(ge=0, le=1.0e9)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Pixels = Annotated[int, Field(ge=32, le=16384)]
Size = tuple[Pixels, Pixels]
Color = tuple[
    Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)]
]
Window = tuple[Positive, Positive]
"""Least and greatest."""

LONGEST_NAME = 100
"""Most characters of a name that is shown in tables and pictures."""

WITHOUT_EFFECT = "without effect"
"""Mark, in an `Annotated` type, of a setting on which no result depends; on a section it marks each of its keys."""


PATH = "path"
"""Mark, in an `Annotated` type, of a text that names a file or folder of the user; see `lbt.config.paths`."""


@dataclass(frozen=True)
class ReadWith:
    """Mark, in an `Annotated` type, of a setting that is read only if another one has a certain value.

    A setting with several marks is read if one of them holds. `lbt.config.unread` finds the settings that a user wrote
    and that nothing reads.

    Attributes:
        key: the other setting, by its path from the top level.
        holds: whether a value of the other setting is such a value.
        words: that value in words, for a message that says what to write.
    """

    key: str
    holds: Callable[[Any], bool]
    words: str


def read_with(key: str, *values: Any) -> ReadWith:
    """The mark of a setting that is read if another one has one of these values."""
    name = key.rpartition(".")[2]
    words = " or ".join(f"`{name}: {str(v).lower() if isinstance(v, bool) else v}`" for v in values)
    return ReadWith(key, lambda value: value in values, words)


def read_above_zero(key: str) -> ReadWith:
    """The mark of a setting that is read if another one is above 0."""
    return ReadWith(key, lambda value: value > 0, f"`{key.rpartition('.')[2]}` above 0")


def read_if_text(key: str, text: str, *, holds: bool) -> ReadWith:
    """The mark of a setting that is read if another one, a text, holds the given text, or if it does not."""
    words = f"`{key.rpartition('.')[2]}` {'with' if holds else 'without'} {text}"
    return ReadWith(key, lambda value: (text in value) == holds, words)


@dataclass(frozen=True)
class OneOf:
    """Mark, in an `Annotated` type, of a text that must be one of `names`; they may come from a table."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.names))


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys and values of another type.

    A stage that sees only some keys of a section has them as a model of their own, which may be a base of the section.
    """

    ORDER: ClassVar[tuple[str, ...]] = ()
    """Order of all keys in documents, where it differs from that of the bases."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if "ORDER" in cls.__dict__:
            for name in cls.ORDER:
                cls.model_fields[name] = cls.model_fields.pop(name)
            cls.model_rebuild(force=True)

    def tracked(self) -> dict[str, Any]:
        """The settings on which results depend, as JSON values."""
        return select_keys(type(self), self.model_dump(mode="json"), tracked=True)


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a type names, also inside a union or a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for inner in get_args(annotation) if (found := section_in(inner))), None)


def select_keys(model: type[Section], values: Mapping[str, Any], *, tracked: bool = False) -> dict[str, Any]:
    """The JSON values of the keys that a model has, also inside its sections.

    Args:
        model: whose keys to select.
        values: of at least these keys.
        tracked: whether to leave out keys that are marked `WITHOUT_EFFECT`.
    """
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner, value = section_in(field.annotation), values[name]
        if inner is not None and isinstance(value, Mapping):
            marked = tracked and WITHOUT_EFFECT in field.metadata
            found[name] = {} if marked else select_keys(inner, value, tracked=tracked)
        elif not tracked or WITHOUT_EFFECT not in field.metadata:
            found[name] = value
    return found


class WrongSetting(ValueError):
    """A value that does not fit the others, with its key inside the section that notices it."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")
        self.key = key


Gpus = Annotated[int, Field(ge=1, le=1024)]
"""Number of processes of a stage."""
GPUS_HELP = (
    "Number of GPUs of one machine that share each batch, with a process each (with `compute.device: cpu`, processes "
    "on the CPU). A batch size counts the images of all GPUs together and must be a multiple of it. A change reruns "
    "the stage, because results equal those of one GPU only up to rounding."
)


def check_gpus(gpus: int, **batch_sizes: int) -> None:
    """Refuse batches that cannot be divided evenly among GPUs."""
    for name, size in batch_sizes.items():
        if size % gpus:
            raise WrongSetting(
                "gpus",
                f"{gpus} GPUs cannot share a {name} of {size} evenly; make it a multiple of {gpus}, such as "
                f"{-(-size // gpus) * gpus}, or change `gpus`",
            )


def check_window(fps: Window | None) -> None:
    """Refuse a window of frames per second whose ends are not in order."""
    if fps is not None and fps[0] >= fps[1]:
        raise WrongSetting("fps", f"the lower end {fps[0]:g} must be below the upper end {fps[1]:g}")


def check_path(key: str, path: str) -> None:
    """Refuse a path that no file system can hold."""
    longest = max(len(part.encode(errors="surrogateescape")) for part in path.split("/"))
    if longest > 255 or len(path) > 4000:
        raise WrongSetting(key, f"{path[:60]}... is longer than a file system takes; choose a shorter path")


def check_name(name: str) -> None:
    """Refuse a name that is blank, invisible in part, or too long for a table."""
    if not name.strip():
        raise ValueError(f"{name!r} is blank; give a name")
    if name != name.strip():
        raise ValueError(f"{name!r} has blanks at its ends; remove them")
    if any(unicodedata.category(char)[0] == "C" for char in name):
        raise ValueError(f"{name!a} holds a character that cannot be shown; remove it")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"{name[:20]!r}... has {len(name)} characters; a name has at most {LONGEST_NAME}")
