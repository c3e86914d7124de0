"""The page that documents every setting, made from `lbt.config`: `python -m lbt.config.docs > config/README.md`."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from lbt.config import Section, Settings
from lbt.config.base import OneOf, ReadWith, section_in
from lbt.config.retrain import RetrainSettings

INTRODUCTION = """# Settings

One YAML file describes a run. `config.yaml` is the default: synthetic street scenes, minutes on two cores.
For your own images `lbt init` writes a file; `own-data.yaml` is one to edit by hand. `camvid-cpu.yaml` runs CamVid on
two cores, `camvid.yaml` on a GPU, and `cityscapes.yaml` has the published scale. Choose a file, and check it with its
data set before you start:

```
lbt check config/camvid.yaml
snakemake --cores 8 --configfile config/camvid.yaml
```

A key that you leave out has its default. No job starts while the file has a mistake: an unknown key, a key given twice,
a value of another type, an impossible combination, or a key that another key switches off. The message names each
mistake with its line.
Numbers are decimal (`1e-3`, not `0x1F`). A word that YAML takes for something else needs quotes (`"no"`, `"2"`).

Several files may follow `--configfile`: each replaces the settings that it names. `--config` replaces single ones, as
in `--config 'search={"rounds": 3}' 'seeds=[0, 1]'`.

`data.root` and `search.student.weights` are paths. `~` and variables such as `$HOME` stand for their folders. A
relative path is looked for from the folder where you start, then from the folder of the configuration file;
`lbt check` prints which one was taken. The CamVid configurations expect the data set in `data/camvid`: put it there,
link it (`ln -s /where/it/is data/camvid`), or write its path as `data.root`.

Snakemake runs the code in a configuration file that contains `__use_yte__`. Check a file from somebody else with
`lbt check` first: it runs nothing and refuses such a key.

Editors with a YAML language server complete and check the keys by `schema.json`, which the first line of each file here
names. Copy that line into a file of your own.

This page and the schema are generated from `lbt/config/`: `python -m lbt.config.docs > config/README.md` and
`python -m lbt.config.schema > config/schema.json`.

## The twelve keys to set first

| key | default | why |
|---|---|---|
"""
FIRST = {
    "run": "A new name starts a run beside the earlier ones; the same name continues it.",
    "seeds": "One seed cannot say which method is better. Use three or more to compare.",
    "methods": "Each method costs a search. `[lbt, random]` gives a network and the control that it must beat.",
    "data.root": "The folder of your data set.",
    "data.folder.classes": "Name, mask value and colour of each class of your own images.",
    "augmentation.crop": "Larger crops show more context and take more memory and time.",
    "space.base_width": "The width of the networks: 12 is FasterSeg's, 4 suits a few hundred images on a CPU.",
    "latency.input_size": "The image size at which the network must be fast.",
    "search.fps": "The frames per second that you want. Without it, a fixed weight trades speed for accuracy.",
    "search.rounds": "More rounds let the architecture move further from its random start.",
    "search.architecture.lr": "FasterSeg's 3.0e-4 suits thousands of steps, 0.05 a search of about a hundred.",
    "retrain.epochs": "Most of the final mIoU comes from retraining. On a GPU use 400 to 600.",
}
"""The keys that most people change, and what to know about each."""
SPEED = """
## A network that is fast enough

Say how many frames per second the network must reach on the device that measures the latency table:

```yaml
latency:
  input_size: [360, 480]
search:
  fps: [30.0, 40.0] # least and most frames per second
  random_match: window # the random controls run as fast
derivation:
  rule: search # score every path of the network on images that no weight learned from, keep the best in the window
retrain:
  initial: supernet # start from the weights of the search instead of random ones
```

If no network of the space can meet the window, the run ends early and prints the range that can be met.
`search.cosearch: true` searches a second network without regard to speed and distils it into the fast one, as FasterSeg
does.
"""

RECIPES = """
## Recipes of retraining

`retrain.recipe` names the defaults of these keys. A key that you write keeps your value, and the recorded settings show
all values. `released` has the loss, optimiser and sizes of FasterSeg's released code. `balanced` trains rare classes
too, within fewer steps; `results/published/recipe` compares them.

"""
UNREAD = """
## Keys that another key switches off

If you write a key of this table, but not the setting beside it, the run refuses to start. Keys of methods that are not
in `methods` may stay.

| key | is read with |
|---|---|
"""


def markdown() -> str:
    """The whole page."""
    first = "".join(f"| `{key}` | {_default_of(key)} | {why} |\n" for key, why in FIRST.items())
    return (
        INTRODUCTION
        + first
        + SPEED
        + RECIPES
        + "".join(_recipes())
        + UNREAD
        + "".join(_unread("", Settings))
        + "".join(_section("", Settings, "Top level"))
    )


def _recipes() -> Iterator[str]:
    """A table of the keys of `retrain` in which the recipes differ."""
    names = get_args(RetrainSettings.model_fields["recipe"].annotation)
    columns = [dict(_flat("retrain.", RetrainSettings(recipe=name).model_dump(exclude={"recipe"}))) for name in names]
    yield f"| key | {' | '.join(f'`{name}`' for name in names)} |\n|---|{'---|' * len(names)}\n"
    for key in columns[0]:
        values = [f"`{json.dumps(column[key])}`" for column in columns]
        if len(set(values)) > 1:
            yield f"| `{key}` | {' | '.join(values)} |\n"


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value


def _unread(prefix: str, model: type[Section]) -> Iterator[str]:
    """A row for each key that another one switches off."""
    for name, field in model.model_fields.items():
        marks = [mark for mark in field.metadata if isinstance(mark, ReadWith)]
        inner = section_in(field.annotation)
        if marks:
            whole = ", with every key in it" if inner else ""
            others = ", or ".join(f"{mark.words} in `{mark.key.rpartition('.')[0]}`" for mark in marks)
            yield f"| `{prefix}{name}`{whole} | {others} |\n"
        elif inner and not _is_list(field.annotation):
            yield from _unread(f"{prefix}{name}.", inner)


def _default_of(key: str) -> str:
    *sections, name = key.split(".")
    model: type[Section] = Settings
    for section in sections:
        model = section_in(model.model_fields[section].annotation) or model
    field = model.model_fields[name]
    return _default(field, section_in(field.annotation))


def _section(prefix: str, model: type[Section], title: str) -> list[str]:
    heading = title if not prefix else f"`{prefix.rstrip('.')}`"
    summary = (model.__doc__ or "").strip()
    lines = [f"\n## {heading}\n\n{summary}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"]
    nested = []
    for name, field in model.model_fields.items():
        key, inner = f"{prefix}{name}", section_in(field.annotation)
        kind = "section" if inner and not _is_list(field.annotation) else _type(field)
        help_text = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{key}` | {kind} | {_default(field, inner)} | {help_text} |\n")
        if inner:
            nested.append((f"{key}.", inner))
    for key, inner in nested:
        lines += _section(key, inner, "")
    return lines


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _default(field: FieldInfo, inner: type[Section] | None) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "absent"
    if inner and not _is_list(field.annotation):
        return "see below"
    return f"`{json.dumps(field.default)}`"


def _type(field: FieldInfo) -> str:
    text = _choices(field.metadata) or _name(field.annotation)
    bounds = _bounds(field.metadata)
    return f"{text}, {bounds}" if bounds else text


def _name(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _choices(arguments[1:]) or f"{_name(arguments[0])} {_bounds(arguments[1:])}".strip()
    if origin is Literal:
        return _any_of(arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_name(a) for a in arguments if a is not type(None))
    if origin is tuple:
        count = "" if arguments[-1] is Ellipsis else f"{len(arguments)} "
        return f"list of {count}{_plural(_name(arguments[0]))}"
    if origin is dict:
        return f"{_name(arguments[0])}: {_name(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return "sections"
    return {"int": "integer", "float": "number", "str": "text", "bool": "true or false"}[annotation.__name__]


def _plural(name: str) -> str:
    return re.sub(r"^(integer|number|text|list)\b", r"\1s", name)


def _choices(metadata: Any) -> str | None:
    return next((_any_of(mark.names) for mark in metadata if isinstance(mark, OneOf)), None)


def _any_of(values: Iterable[object]) -> str:
    return " or ".join(f"`{value}`" for value in values)


def _bounds(metadata: Any) -> str:
    """Bounds in words; nested field information carries its own."""
    words = []
    for item in metadata:
        if isinstance(item, FieldInfo):
            words.append(_bounds(item.metadata))
        elif isinstance(item, Ge):
            words.append(f"≥ {item.ge:,.12g}")
        elif isinstance(item, Gt):
            words.append(f"> {item.gt:,.12g}")
        elif isinstance(item, Le):
            words.append(f"≤ {item.le:,.12g}")
        elif isinstance(item, Lt):
            words.append(f"< {item.lt:,.12g}")
        elif isinstance(item, MinLen):
            words.append("not empty" if item.min_length == 1 else f"at least {item.min_length} long")
    return ", ".join(word for word in words if word)


if __name__ == "__main__":
    print(markdown(), end="")
