"""From a YAML file (or Snakemake's merged dictionary) to checked settings, with messages that say what to write."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lbt.config import Section, Settings
from lbt.config.base import section_in
from lbt.errors import LbtError

_FLOAT_TEXT = re.compile(r"^[+-]?\d+(\.\d*)?[eE][+-]?\d+$")


def read_settings(path: Path | str) -> Settings:
    """Read and check a configuration file.

    Raises:
        LbtError: missing or unreadable file, broken YAML, or any setting out of order; every problem is listed.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LbtError(
            f"{path}: could not be read ({reason}). Name a YAML file, such as config/config.yaml."
        ) from error
    except yaml.YAMLError as error:
        raise LbtError(*f"{path}: is not YAML: {error}".splitlines()) from error
    if not isinstance(content, dict):
        raise LbtError(
            f"{path}: holds {type(content).__name__}, settings (key: value) are needed. See config/README.md."
        )
    return parse_settings(content, str(path))


def parse_settings(content: Mapping[str, Any], source: str) -> Settings:
    """Check a dictionary of settings; `source` names it in messages.

    Raises:
        LbtError: lists every unknown key (with the nearest known one), wrong type and value out of bounds.
    """
    try:
        # JSON is the strict reading that takes YAML's lists for tuples; values JSON lacks (dates) arrive as text.
        return Settings.model_validate_json(json.dumps(_text_keys(content), default=str))
    except ValidationError as error:
        problems = [_explain(e) for e in error.errors()]
    lines = [f"  {line}" for line in dict.fromkeys(problems)]
    raise LbtError(f"{source}: {len(lines)} problem(s) in the settings:", *lines)


def _explain(error: Mapping[str, Any]) -> str:
    *outer, last = error["loc"] or ("",)
    location = [part for part in outer if not _is_union_tag(part)]
    # an unknown key may look like the name of an alternative
    if last != "" and (error["type"] == "extra_forbidden" or not _is_union_tag(last)):
        location.append(last)
    key = ".".join(str(part) for part in location) or "(top level)"
    found = error.get("input")
    if error["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}."
        return f"{key}: unknown key; {hint}"
    if isinstance(found, str) and _FLOAT_TEXT.match(found):
        mantissa, exponent = re.split("[eE]", found)
        mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
        mantissa = f"{mantissa}0" if mantissa.endswith(".") else mantissa
        sign = "" if exponent[0] in "+-" else "+"
        return f"{key}: YAML reads {found} as text; write {mantissa}e{sign}{exponent}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return message if key == "(top level)" else f"{key}: {message}"
    return f"{key}: {message}; found {found!r}. See config/README.md."


def _text_keys(value: Any) -> Any:
    """The value with every key of a dictionary as text; YAML reads some as numbers or dates."""
    if isinstance(value, Mapping):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value


def _is_union_tag(part: int | str) -> bool:
    """Pydantic names the tried alternative of a union in the location, such as `tuple[str, ...]`."""
    return isinstance(part, str) and re.search(r"[\[\]-]", part) is not None


def _fields_at(location: list[int | str]) -> list[str]:
    """Names of the keys that are known at a location."""
    model: type[Section] = Settings
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = section_in(model.model_fields[part].annotation) or model
    return sorted(model.model_fields)
