"""Spoils values and bytes as a stranger's file may be spoiled."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

NUMBERS = (0, 1, -1, 2, 255, 256, -(2**31), 2**31, 2**63, 2**64, 10**9, 10**30, 0.5, -0.5, 1e308, 1e-320)
NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
TEXTS = (
    *("", " ", "0", "nan", "true", "null", "a" * 300, "x" * 200_000, "é路🚗", "\n", "a\nb", "\t", "\r", "\x00"),
    *("\x1b]0;owned\x07", "\u202egpj", "\ud800", "../../../escaped", "/tmp/escaped", "..", "a//b", "~", "${HOME}"),
    *("=1+1", "+1", "-1", "@x", "$cost$", "{x}", "$(touch owned)", "`touch owned`", "; touch owned", "'", '"', "\\"),
    *("|", "<script>alert(1)</script>", "/*SCRIPT*/", "FACTS", "*", "x_", ".. raw:: html", "[a](b)", "%s%n"),
)
WORDS = ("key", "classes", "space", "__class__", "name", "../x", "")


def mutate(value: Any, draw: random.Random) -> tuple[Any, str]:
    """A copy of a plain value with one to three changes, and what they are.

    Args:
        value: dicts, lists and scalars; anything else in it, such as a tensor, may be replaced but is not changed.
        draw: decides what to change.
    """
    changed, said = copy.deepcopy(value), []
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = list(_places(changed, ()))
        place = draw.choice(places)
        changed, what = _change(changed, place, draw)
        said.append(f"{'.'.join(map(str, place)) or 'all'}: {what}")
    return changed, "; ".join(said)


def _places(value: Any, path: tuple[Any, ...], depth: int = 12) -> Iterator[tuple[Any, ...]]:
    yield path
    if depth and isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(item, (*path, key), depth - 1)


def _change(value: Any, place: tuple[Any, ...], draw: random.Random) -> tuple[Any, str]:
    """Replace, delete or double what is at a place."""
    if not place:
        inner, what = (value, "kept")
        if draw.random() < 0.3:
            inner, what = another(value, draw)
        elif isinstance(value, dict):
            key = draw.choice(WORDS)
            value[key], what = another(None, draw)
            what = f"{key!r} added: {what}"
        return inner, what
    outer = value
    for key in place[:-1]:
        outer = outer[key]
    last, action = place[-1], draw.random()
    if action < 0.15:
        del outer[last]
        return value, "deleted"
    if action < 0.25 and isinstance(outer, list):
        outer[last:last] = [copy.deepcopy(outer[last]) for _ in range(draw.choice((1, 3, 1000)))]
        return value, "repeated"
    if action < 0.25:
        item = outer.pop(last)
        name = draw.choice((f"{last}x", str(last).upper(), 7, None, *WORDS))
        outer[name] = item
        return value, f"renamed to {name!r}"
    outer[last], what = another(outer[last], draw)
    return value, what


def another(value: Any, draw: random.Random) -> tuple[Any, str]:
    """A value of another or the same type in place of `value`, and how it looks."""
    made: Any
    kind = draw.randrange(8)
    if kind == 0:
        made = draw.choice(NUMBERS)
    elif kind == 1:
        made = draw.choice(NOT_FINITE)
    elif kind in (2, 3):
        made = draw.choice(TEXTS)
    elif kind == 4:
        made = draw.choice((None, True, False, [], {}, [[]], [None], {"a": {"b": {}}}, {1: 2}, [1, 2, 3, 4]))
    elif kind == 5:
        made = nested(draw.choice((3, 50, 3000)), draw.choice((list, dict)))
    elif kind == 6 and isinstance(value, bool | int | float):
        made = draw.choice((-value, value + 1, value * 1000, float(value), str(value), [value], value + 0.5))
    elif isinstance(value, str):
        made = draw.choice((value + "\n", value * 2, value.upper(), value[:-1], f"../{value}", [value], f" {value}"))
    elif isinstance(value, list):
        made = draw.choice((value[::-1], value[:-1], value * 2, value * 500, dict(enumerate(value)), None))
    else:
        made = draw.choice((*NUMBERS, *TEXTS))
    shown = f"{type(made).__name__} of {len(made)}" if isinstance(made, dict | list) else ascii(made)[:60]
    return made, shown


def nested(depth: int, kind: type) -> Any:
    """A list in a list, or a dict in a dict, `depth` times."""
    value: Any = kind()
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


def damage(content: bytes, draw: random.Random) -> tuple[bytes, str]:
    """The bytes of a file with a few changes (flips, a cut, noise, a repeat), or only noise; and what changed."""
    kind, size = draw.randrange(10), len(content)
    if kind == 0:
        length = draw.choice((0, 1, 100, 100_000))
        return draw.randbytes(length), f"{length} random bytes"
    if kind <= 2:
        place = draw.choice((draw.randrange(size), min(size, draw.randrange(64)), max(0, size - draw.randrange(1, 64))))
        return content[:place], f"cut at {place} of {size}"
    place = draw.choice(
        (draw.randrange(size), min(size - 1, draw.randrange(2048)), size - 1 - draw.randrange(min(size, 4096)))
    )
    if kind <= 6:
        changed = bytearray(content)
        for _ in range(draw.choice((1, 1, 4, 64))):
            changed[place] ^= draw.randrange(1, 256)
            place = draw.randrange(size)
        return bytes(changed), f"bytes flipped at {place} and elsewhere"
    length = draw.choice((1, 8, 512))
    if kind == 7:
        return content[:place] + draw.randbytes(length) + content[place:], f"{length} bytes put in at {place}"
    if kind == 8:
        return content[:place] + content[place + length :], f"{length} bytes left out at {place}"
    return content + content[place : place + length], f"{length} bytes of {place} repeated at the end"
