"""The facts in the file of a network: classes, normalisation, origin and scores, checked like the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, ValidationError, field_validator, model_validator

from lbt.config import ClassSettings, Color, DataSettings, SpaceSettings
from lbt.config.base import Section
from lbt.config.names import MOST_CLASSES, ClassName, require_shown
from lbt.errors import visible

USE = ("input_size", "settings_digest", "trained_on", "scores", "profile")
"""Entries of the finished file that training does not write; see `SegmentationNetwork`."""
Side = Annotated[int, Field(ge=32, le=16384)]
Mean = Annotated[float, Field(ge=0, le=1)]
Deviation = Annotated[float, Field(gt=0, le=1)]
Title = Annotated[str, Field(max_length=100), AfterValidator(require_shown)]


class NetworkFacts(Section):
    """The arguments of `SegmentationNetwork` besides the network itself.

    Raises:
        ValidationError: a value that no settings could have led to.
    """

    classes: tuple[ClassName, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    colors: tuple[Color, ...] = Field(max_length=MOST_CLASSES)
    mean: tuple[Mean, Mean, Mean]
    std: tuple[Deviation, Deviation, Deviation]
    space: SpaceSettings
    method: str = Field(pattern="^[a-z][a-z0-9_]*$", max_length=100)
    seed: int = Field(ge=0)
    input_size: tuple[Side, Side] | None = None
    settings_digest: str | None = Field(None, pattern="^[0-9a-f]{1,64}$")
    trained_on: Title | None = None
    scores: dict[str, JsonValue] | None = None
    profile: dict[str, JsonValue] | None = None

    @field_validator("scores", "profile")
    @classmethod
    def _finite(cls, content: dict[str, Any] | None) -> dict[str, Any] | None:
        json.dumps(content, allow_nan=False)
        return content

    @model_validator(mode="after")
    def _like_settings(self) -> NetworkFacts:
        if len(self.colors) != len(self.classes):
            raise ValueError(f"it has {len(self.classes)} classes and {len(self.colors)} colours")
        if len(set(self.classes)) < len(self.classes):
            raise ValueError("two of its classes have the same name")
        for name, color in zip(self.classes, self.colors, strict=True):
            ClassSettings(name=name, color=color)
        DataSettings(mean=self.mean, std=self.std)
        return self


def read_facts(content: Mapping[str, Any]) -> NetworkFacts:
    """Check the facts in the content of a network file.

    Raises:
        ValueError: names the first wrong fact.
    """
    facts = {**content["identity"], **{name: content[name] for name in USE if name in content}}
    try:
        return NetworkFacts.model_validate_json(json.dumps(facts, default=_refuse, ensure_ascii=False).encode())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        found = first["input"]
        shown = (
            f", found {visible(repr(found), 60)}"
            if isinstance(found, str | int | float | bool) or found is None
            else ""
        )
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{place}{': ' if place else ''}{message}{shown}") from error


def _refuse(value: Any) -> None:
    raise TypeError(f"it holds a {type(value).__name__}")
