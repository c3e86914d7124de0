"""Errors of pydantic in the words of a user of the configuration: what was found, and what is needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lbt.config import Section, Settings
from lbt.config.base import WrongSetting, section_in
from lbt.config.yaml_file import Keys, Place, number_in, shorten

_NEEDED = {
    "int": "a whole number is needed",
    "float": "a number is needed",
    "finite": "a number is needed",
    "string": "text is needed",
    "bool": "`true` or `false` is needed",
    "tuple": "a list is needed",
    "list": "a list is needed",
    "dict": "a section (key: value) is needed",
    "model": "a section (key: value) is needed",
}
_BOUNDS = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_too_short": "must not be empty",
    "missing": "is missing",
}


def key_of(error: Mapping[str, Any]) -> Keys:
    """The setting that an error is about."""
    *outer, last = error["loc"] or ("",)
    keys = [part for part in outer if not is_union_tag(part)]
    # an unknown key may look like the name of an alternative
    if error["type"] == "extra_forbidden" or (last != "" and not is_union_tag(last)):
        keys.append(last)
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, WrongSetting):
        keys += cause.key.split(".")
    return tuple(keys)


def explain(error: Mapping[str, Any], place: Place | None) -> str:
    """What is wrong with the setting that an error is about.

    Args:
        error: of pydantic.
        place: where and how the value is written, if that is known.
    """
    kind, found, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(key_of(error))
    if kind == "value_error":
        cause = context["error"]
        return str(cause).removeprefix(f"{cause.key}: ") if isinstance(cause, WrongSetting) else str(cause)
    if kind in _BOUNDS:
        words = _BOUNDS[kind].format(**context)
        return words if kind in ("missing", "string_too_short") else f"{words}; found {_show(found, place)}"
    if kind in ("too_short", "too_long"):
        least, most = context.get("min_length"), context.get("max_length")
        bound = f"at least {least}" if kind == "too_short" else f"at most {most}"
        return f"a list of {bound} is needed; found {context.get('actual_length', len(found or ()))}"
    if kind == "literal_error":
        return f"must be {context['expected']}; found {_show(found, place)}"
    needed = _NEEDED.get(kind.partition("_")[0], error["msg"])
    if place is not None and place.written is not None and kind == "string_type":
        read = {"True": "true", "False": "false", "None": "nothing", place.written: "a number"}
        return f'YAML reads {place.written} as {read.get(str(found), str(found))}; write "{place.written}"'
    if isinstance(found, str) and number_in(found) is not None and place is not None and place.quoted:
        return f"{needed}; found the text {found!r}; remove the quotes"
    return f"{needed}; found {_show(found, place)}"


def is_union_tag(part: int | str) -> bool:
    """Pydantic names the tried alternative of a union in the location, such as `tuple[str, ...]`."""
    return isinstance(part, str) and re.search(r"[\[\]-]", part) is not None


def drop_alternatives(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors without those of the alternatives of a union that another alternative came closer to."""
    deeper = {key_of(error)[:-1] for error in errors if any(map(is_union_tag, error["loc"][:-1]))}
    return [
        error for error in errors if not (error["loc"] and is_union_tag(error["loc"][-1]) and key_of(error) in deeper)
    ]


def _show(found: Any, place: Place | None) -> str:
    if place is not None and place.written:
        return shorten(place.written)
    if found is None:
        return "nothing"
    if isinstance(found, Mapping):
        return "a section"
    return shorten(repr(found))


def _unknown_key(keys: Keys) -> str:
    known = _fields_at(keys[:-1])
    near = difflib.get_close_matches(str(keys[-1]), known, n=1)
    if str(keys[-1]).startswith("__") or str(keys[-1]).startswith("?"):
        return "unknown key; settings are no template"
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}."
    return f"unknown key; {hint}"


def _fields_at(keys: Keys) -> list[str]:
    """Names of the keys that are known at a location."""
    model: type[Section] = Settings
    for part in keys:
        if isinstance(part, str) and part in model.model_fields:
            model = section_in(model.model_fields[part].annotation) or model
    return sorted(model.model_fields)
