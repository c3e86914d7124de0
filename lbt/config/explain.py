"""Errors of pydantic in the words of a user of the configuration: what was found, and what is needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
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
    # a wide blank, a long dash or a digit of another script looks like the one that YAML knows
    exact = f" ({found[:40]!a})" if isinstance(found, str) and not found.isascii() else ""
    return f"{needed}; found {_show(found, place)}{exact}"


def is_union_tag(part: int | str) -> bool:
    """Pydantic names the tried alternative of a union in the location, such as `tuple[str, ...]`."""
    return isinstance(part, str) and re.search(r"[\[\]-]", part) is not None


def drop_alternatives(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors without those that follow from another one.

    They are those of the alternatives of a union that another alternative came closer to, and the missing items of a
    list whose items have errors themselves.
    """
    inside = {key_of(error)[:-1] for error in errors}
    errors = [error for error in errors if not (error["type"] == "too_short" and key_of(error) in inside)]
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
    known, name = _fields_at(keys[:-1]), str(keys[-1])
    near = difflib.get_close_matches(name, known, n=1)
    if name.startswith("__") or name.startswith("?"):
        return "unknown key; settings are no template"
    if not name.isascii():
        return f"unknown key; {name[:40]!a} holds characters outside ASCII; type it and the blanks before it again"
    if (path := tuple(name.split("."))) and _is_known(path):
        nested = "{".join(f"{part}: " for part in path)
        return f"unknown key; it stands in a section; write `{nested}...{'}' * (len(path) - 1)}`"
    if places := [".".join(path) or "the top level" for path in _sections() if name in _fields_at(path)]:
        return f"unknown key; it belongs to {' or '.join(places)}"
    return f"unknown key; did you mean `{near[0]}`?" if near else f"unknown key; known keys: {', '.join(known)}."


def _is_known(keys: Keys) -> bool:
    return len(keys) > 1 and all(keys[end] in _fields_at(keys[:end]) for end in range(len(keys)))


def _sections(model: type[Section] = Settings, keys: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The sections of the settings, the top level first."""
    yield keys
    for name, field in model.model_fields.items():
        if (inner := section_in(field.annotation)) is not None:
            yield from _sections(inner, (*keys, name))


def _fields_at(keys: Keys) -> list[str]:
    """Names of the keys that are known at a location."""
    model: type[Section] = Settings
    for part in keys:
        if isinstance(part, str) and part in model.model_fields:
            model = section_in(model.model_fields[part].annotation) or model
    return sorted(model.model_fields)
