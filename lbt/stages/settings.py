"""The settings of a stage on their way into its process: as canonical JSON, whose text Snakemake compares."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

from pydantic import TypeAdapter

from lbt.config import Section, Settings
from lbt.config.methods import METHODS
from lbt.files import canonical_json
from lbt.stages.table import STAGES


def stage_settings(settings: Settings, stage: str, job: Mapping[str, int | str]) -> str:
    """Canonical JSON of the settings that `stage` takes and of its scalars, which are picked from `job`.

    What is untracked is left out: see `untracked_settings`.
    """
    chosen, sections = STAGES[stage], {}
    read = {name: section for name in chosen.sections if isinstance(section := getattr(settings, name), Section)}
    without_effect = {name: set(section.WITHOUT_EFFECT) for name, section in read.items() if section.WITHOUT_EFFECT}
    dumped = settings.model_dump(mode="json", exclude=without_effect)
    for name in chosen.sections:
        section = dumped[name]
        sections[name] = _pick(section, _keys(stage, name, job), dict.__getitem__) if name in chosen.only else section
    return canonical_json(sections | {name: job[name] for name in chosen.scalars})


def untracked_settings(settings: Settings, stage: str) -> dict[str, float]:
    """The stage's untracked settings by their dotted key."""
    chosen = STAGES[stage]
    return {key: attrgetter(key)(settings) for key in chosen.untracked if key.split(".")[0] in chosen.sections}


def parse_stage_settings(text: str, stage: str, untracked: Mapping[str, float]) -> dict[str, Any]:
    """Keyword arguments of a stage's `run` from what `stage_settings` and `untracked_settings` made."""
    chosen, arguments = STAGES[stage], json.loads(text)
    for key, value in untracked.items():
        *path, last = key.split(".")
        reduce(lambda inner, part: inner.setdefault(part, {}), path, arguments)[last] = value
    for name in chosen.sections:
        section = TypeAdapter(Settings.model_fields[name].annotation).validate_json(json.dumps(arguments[name]))
        if name in chosen.only:
            loose = [key.removeprefix(f"{name}.") for key in untracked if key.startswith(f"{name}.")]
            section = _namespace(_pick(section, [*_keys(stage, name, arguments), *loose], getattr))
        arguments[name] = section
    return arguments


def _keys(stage: str, section: str, job: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a section that a job of a stage sees.

    A round also sees those of its method, and only a random network those of the draw.
    """
    keys = STAGES[stage].only[section]
    if (stage, section) == ("round", "search"):
        return keys + METHODS[job["method"]].settings
    if (stage, section) == ("derive", "search") and job["method"] == "random":
        return (*keys, "random_match", "random_tolerance")
    return keys


def _pick(section: Any, keys: Sequence[str], read: Callable[[Any, str], Any]) -> dict[str, Any]:
    """The values of `keys` as a dict; a key such as `student.batch_size` reads one key of an inner section."""
    found: dict[str, Any] = {}
    for key in keys:
        outer, _, inner = key.partition(".")
        value = read(section, outer)
        found[outer] = found.get(outer, {}) | _pick(value, [inner], read) if inner else value
    return found


def _namespace(values: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**{k: _namespace(v) if isinstance(v, dict) else v for k, v in values.items()})
