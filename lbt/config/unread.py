"""Settings that nothing reads, because another setting switches them off.

The rule of each is beside it, as a mark `ReadWith` of `lbt.config.base`. A setting of a search method that is not
in `methods` is not checked: configurations keep those of all methods.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any

from lbt.config import METHODS, Section, Settings
from lbt.config.base import ReadWith


def find_unread(settings: Settings) -> dict[tuple[str, ...], str]:
    """The settings that the user wrote and nothing reads, each with what to do about it.

    A value of None is how a user writes that a setting is absent, so it is none of them.
    """
    found = {}
    for keys, marks, value in _written(settings, ()):
        if marks and value is not None and _concerns_a_method(settings, keys) and not _is_read(settings, marks):
            others = " and ".join(dict.fromkeys(f"`{mark.key}: {_show(settings, mark)}`" for mark in marks))
            remedy = " or ".join(dict.fromkeys(mark.words for mark in marks))
            found[keys] = f"has no effect with {others}; remove it or write {remedy}"
    return found


def select_read(settings: Settings) -> dict[str, Any]:
    """The JSON values of all settings but the absent ones and those that nothing reads."""
    values = settings.model_dump(mode="json", exclude_none=True)
    for *sections, name in find_unread(_with_all_written(settings)):
        section = values
        for key in sections:
            section = section[key]
        del section[name]
    return values


def _written(section: Section, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], list[ReadWith], Any]]:
    """The keys, marks and value of every setting that was written, sections before what they hold."""
    for name, field in type(section).model_fields.items():
        if name in section.model_fields_set:
            value = getattr(section, name)
            marks = [mark for mark in field.metadata if isinstance(mark, ReadWith)]
            yield (*keys, name), marks, value
            if isinstance(value, Section) and not marks:
                yield from _written(value, (*keys, name))


def _concerns_a_method(settings: Settings, keys: tuple[str, ...]) -> bool:
    """Whether one of the methods of the run reads a setting, if it is one of the search."""
    if keys[0] != "search":
        return True
    facts = [METHODS[method] for method in settings.methods]
    return any(keys[1] in model.model_fields for fact in facts for model in (fact.search, fact.derive))


def _is_read(settings: Settings, marks: list[ReadWith]) -> bool:
    return any(mark.holds(attrgetter(mark.key)(settings)) for mark in marks)


def _show(settings: Settings, mark: ReadWith) -> str:
    value = attrgetter(mark.key)(settings)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with_all_written(settings: Settings) -> Settings:
    """The same settings, each of which counts as written."""
    return Settings.model_validate_json(settings.model_dump_json())
