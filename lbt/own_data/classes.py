"""Propose the classes: a name, a colour and a mask value each, and the values that are ignored."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lbt.config import Color
from lbt.errors import LbtError
from lbt.own_data.class_file import NamedClass
from lbt.own_data.known_classes import KnownClass, program_color, recognise_colors, recognise_ids
from lbt.own_data.survey import Survey, Value

_MOST = 255
_RARE = 1e-4
_SMOOTHED = 20
"""With more rare values than this, and more than other ones, a mask was compressed with losses or has smooth edges."""
_VOID = 0.1
_NAMED = 8
BLACK = (0, 0, 0)


@dataclass(frozen=True)
class ProposedClass:
    """A class.

    Attributes:
        name: of the class.
        value: its id or colour in the masks.
        color: its colour in pictures.
        share: its share of the pixels of the masks that were read.
        masks: number of these masks that show it.
    """

    name: str
    value: Value
    color: Color
    share: float
    masks: int


@dataclass(frozen=True)
class Classes:
    """The classes and the ignored values.

    Attributes:
        classes: at least two, in the order of the tables.
        ignored: values that are neither trained nor scored, each with the reason.
        source: where the names come from, in words.
    """

    classes: Sequence[ProposedClass]
    ignored: Mapping[Value, str]
    source: str

    def without(self, absent: Sequence[ProposedClass], why: str) -> Classes:
        """The same with some classes ignored."""
        rest = [one for one in self.classes if one not in absent]
        return replace(self, classes=rest, ignored={**self.ignored, **{one.value: why for one in absent}})


def propose_classes(survey: Survey, paths: str, given: Sequence[NamedClass] | None, file: Path | None) -> Classes:
    """Propose classes for the values that the masks hold.

    Args:
        survey: of the masks.
        paths: paths of the masks, by whose words a data set is recognised.
        given: the user's names, if there are any.
        file: where they come from, for messages.

    Raises:
        LbtError: the masks hold fewer than two values, or too many for classes; the names do not fit them.
    """
    pixels = survey.pixels()
    total = max(1, sum(pixels.values()))
    shares = {value: count / total for value, count in pixels.items()}
    _refuse_many(survey, shares)
    if given is not None:
        named, ignored = _named_by_user(survey, shares, given, str(file))
        shown = {name for name, _ in named.values()}
        absent = [one.name for one in given if one.name not in shown]
        read = " that was read" if survey.is_sample else ""
        source = f"{file}" + (f" without {', '.join(absent)}, which no mask{read} shows" if absent else "")
    else:
        named, ignored, source = _named_by_values(survey, shares, paths.lower())
    if len(named) < 2:
        values = ", ".join(f"{_show(value)} ({100 * share:.1f} %)" for value, share in _ordered(shares))
        raise LbtError(
            f"The masks hold {len(named)} class(es), two are needed. Their values are {values}"
            + (f", of which {', '.join(map(_show, ignored))} are ignored" if ignored else "")
            + ". Draw at least two classes, such as background and object."
        )
    masks = {value: sum(value in counts for counts in survey.counts.values()) for value in pixels}
    classes = [ProposedClass(name, value, color, shares[value], masks[value]) for value, (name, color) in named.items()]
    return Classes(_distinct(classes), ignored, source)


def _refuse_many(survey: Survey, shares: Mapping[Value, float]) -> None:
    rare = [value for value, share in shares.items() if share < _RARE]
    if len(shares) > _MOST + 1 or (len(rare) > _SMOOTHED and 2 * len(rare) > len(shares)):
        what = "colours" if survey.mask_values == "color" else "grey values"
        raise LbtError(
            f"The masks hold {len(shares)} {what}, of which {len(rare)} cover less than {100 * _RARE:.2f} % of the "
            "pixels each: their edges are smoothed, or they were compressed with losses. Export the masks again as PNG "
            "without smoothing (antialiasing): one value per class."
        )


Named = dict[Value, tuple[str, Color]]


def _named_by_user(
    survey: Survey, shares: Mapping[Value, float], given: Sequence[NamedClass], file: str
) -> tuple[Named, dict[Value, str]]:
    ordered = [value for value, _ in _ordered(shares)]
    by_value: dict[Value, NamedClass] = {}
    if survey.mask_values == "color":
        if without := [one for one in given if one.color is None]:
            found = ", ".join(f"`,NAME,{_hex(value)}`" for value in ordered if isinstance(value, tuple))
            raise LbtError(
                f"{file}, line {without[0].line}: {without[0].name} has no colour, by which the masks show their "
                f"classes. Write its colour; the masks hold {found}."
            )
        by_value = {one.color: one for one in given if one.color is not None}
    elif all(one.id is None and one.color is None for one in given):
        classes = [value for value in ordered if value != 255 or len(given) == len(ordered)]
        lines: list[Value] = list(range(len(given)))
        by_value = dict(zip(classes if len(classes) == len(given) else lines, given, strict=True))
    else:
        if without := [one for one in given if one.id is None]:
            raise LbtError(
                f"{file}, line {without[0].line}: {without[0].name} has no id. Write its value in the masks."
            )
        by_value = {one.id: one for one in given if one.id is not None}
    named: Named = {}
    for index, (value, one) in enumerate(by_value.items()):
        if value in shares:
            color = value if isinstance(value, tuple) else one.color or survey.palette.get(value)
            named[value] = one.name, color or program_color(index + 1)
    return named, {value: f"not in {file}" for value in ordered if value not in by_value}


def _named_by_values(survey: Survey, shares: Mapping[Value, float], paths: str) -> tuple[Named, dict[Value, str], str]:
    ordered = [value for value, _ in _ordered(shares)]
    known = _recognise(survey, ordered, paths)
    if known is not None:
        source, table = known
        named: Named = {v: (table[v].name, table[v].color) for v in ordered if v in table and not table[v].ignored}
        ignored = {v: table[v].name if v in table else "no class has it" for v in ordered if v not in named}
        if survey.is_sample:  # the masks that were not read may hold them
            ignored |= {v: one.name for v, one in table.items() if v not in named and v not in ignored}
        if len(named) >= 2:
            return named, dict(sorted(ignored.items(), key=lambda item: str(item[0]))), source
    ignored = _void(survey, shares)
    values = [value for value in ordered if value not in ignored]
    if len(values) == 2 and values[0] in (0, BLACK):
        names = ["background", "object"]
    else:
        names = [f"class {value if isinstance(value, int) else index}" for index, value in enumerate(values)]
    colors = [v if isinstance(v, tuple) else survey.palette.get(v, program_color(n + 1)) for n, v in enumerate(values)]
    return dict(zip(values, zip(names, colors, strict=True), strict=True)), ignored, ""


def _recognise(survey: Survey, values: Sequence[Value], paths: str) -> tuple[str, Mapping[Value, KnownClass]] | None:
    if survey.mask_values == "color":
        found = recognise_colors([value for value in values if isinstance(value, tuple)], paths)
        return None if found is None else (found[0], dict(found[1].items()))
    ids = [value for value in values if isinstance(value, int)]
    if survey.palette.keys() >= set(ids) - {255}:
        shown = recognise_colors([survey.palette[id] for id in ids if id in survey.palette], paths)
        if shown is not None:
            name, table = shown
            by_id = {id: table[survey.palette[id]] for id in ids if id in survey.palette}
            # Two ids of one colour may be any classes.
            if len({one.name for one in by_id.values()}) == len(by_id):
                return name, dict(by_id.items())
    named = recognise_ids(ids, paths)
    return None if named is None else (named[0], dict(named[1].items()))


def _void(survey: Survey, shares: Mapping[Value, float]) -> dict[Value, str]:
    """Values that probably stand for pixels without a label."""
    if survey.mask_values == "id":
        return {255: "usually no label"} if 255 in shares and len(shares) > 2 else {}
    if len(shares) > 2 and shares.get(BLACK, 1.0) < _VOID:
        return {BLACK: "usually no label"}
    return {}


def _distinct(classes: Sequence[ProposedClass]) -> list[ProposedClass]:
    """The classes with names and colours of their own."""
    names: set[str] = set()
    colors: set[Color] = set()
    found = []
    for index, one in enumerate(classes):
        name, color, number = one.name, one.color, index + 1
        while unicodedata.normalize("NFC", name) in names:
            name += " (2)"
        while color in colors:
            color, number = program_color(number), number + 1
        names.add(unicodedata.normalize("NFC", name))
        colors.add(color)
        found.append(replace(one, name=name, color=color))
    return found


def _ordered(shares: Mapping[Value, float]) -> list[tuple[Value, float]]:
    """Ids in ascending order, colours by their share."""

    def place(item: tuple[Value, float]) -> tuple[float, Color]:
        value, share = item
        return (value, BLACK) if isinstance(value, int) else (-share, value)

    return sorted(shares.items(), key=place)


def _show(value: Value) -> str:
    return str(value) if isinstance(value, int) else str(list(value))


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
