"""The file of settings as text, with a comment wherever a number was measured or a choice was made for the user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lbt.errors import visible
from lbt.own_data.classes import Classes, ProposedClass
from lbt.own_data.survey import Value


@dataclass(frozen=True)
class Comments:
    """What the file says beside its values.

    Attributes:
        head: lines at its top.
        keys: by dotted key, a remark behind the value.
    """

    head: Sequence[str]
    keys: Mapping[str, str]


def write_settings_text(content: Mapping[str, Any], classes: Classes, comments: Comments) -> str:
    """YAML of the settings; `data.folder.classes` and the ignored values come from `classes`."""
    lines = [f"# {line}".rstrip() for line in comments.head]
    for key, value in content.items():
        if isinstance(value, Mapping):
            lines.append("")
        lines += _entry(key, value, "", key, comments.keys, classes)
    return "\n".join(lines) + "\n"


def _entry(key: str, value: Any, indent: str, path: str, remarks: Mapping[str, str], classes: Classes) -> Iterator[str]:
    remark = f" # {remarks[path]}" if path in remarks else ""
    if (isinstance(value, Mapping) and key not in ("splits", "optimizer", "architecture")) or path == "splits":
        yield f"{indent}{key}:{remark}"
        for name, inner in value.items():
            yield from _entry(name, inner, indent + "  ", f"{path}.{name}", remarks, classes)
        if path == "data.folder":
            yield from _class_lines(classes, indent + "  ")
    else:
        yield f"{indent}{key}: {_flow(value)}{remark}"


def _class_lines(classes: Classes, indent: str) -> Iterator[str]:
    by_id = isinstance(classes.classes[0].value, int)
    key = "ignore" if by_id else "ignore_colors"
    why = "; ".join(f"{_flow(value)}: {visible(reason)}" for value, reason in list(classes.ignored.items())[:4])
    more = "; ..." if len(classes.ignored) > 4 else ""
    yield f"{indent}{key}: {_flow(list(classes.ignored))} # neither trained nor scored" + (
        f" ({why}{more})" if why else ""
    )
    names = f"names from {visible(classes.source)}" if classes.source else "change names and colours as you like"
    yield f"{indent}classes: # {names}; move a class to `{key}` to leave it out"
    for one in classes.classes:
        yield f"{indent}  - {_flow(_class(one, by_id))} # {100 * one.share:.2f} % of the pixels, in {one.masks} masks"


def _class(one: ProposedClass, by_id: bool) -> dict[str, Any]:
    return {"name": one.name, **({"id": one.value} if by_id else {}), "color": one.color}


def _flow(value: Value | Any) -> str:
    """A value in one line; text always in double quotes, which YAML reads as JSON does."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
