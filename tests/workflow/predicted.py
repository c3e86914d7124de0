"""What would rerun after a change of a setting or of a module, worked out without starting Snakemake.

The workflow hands each job the settings and the fingerprint of its stage as parameters. A job reruns if one of them
differs, or if a job reruns whose output it reads. Which jobs there are and what they read is taken from Snakemake.
"""

import warnings
from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

from clone import Job
from pydantic import BaseModel

from lbt.config import Settings
from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS
from lbt.provenance.fingerprint import find_imports
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import job_settings


def setting_keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Dotted keys of all settings; a list or a table in the settings is one key."""
    for name, field in model.model_fields.items():
        inner = [t for t in (field.annotation, *getattr(field.annotation, "__args__", ())) if isinstance(t, type)]
        section = next((t for t in inner if issubclass(t, BaseModel)), None)
        if section is not None and getattr(field.annotation, "__origin__", None) is not tuple:
            yield from setting_keys(section, f"{prefix}{name}.")
        else:
            yield prefix + name


def after_setting(jobs: list[Job], settings: Settings, key: str) -> set[str]:
    """Rules that rerun after another value of a setting, if it leaves jobs and files as they are."""
    other = _with_other_value(settings, key.split("."))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the other value need not be a valid one, or of the right type
        return _with_readers(
            jobs,
            [j for j in jobs if _parameter(settings, j) != _parameter(other, j)],
        )


def modules_of(stage: str) -> set[str]:
    """The modules that the fingerprint of a stage covers; of a round, those of every method; also of every baseline."""
    return {module for method in (*METHODS, *BASELINES) for module in find_imports(*STAGES[stage].modules(method))}


def _parameter(settings: Settings, job: Job) -> dict[str, Any]:
    return job_settings(settings, job.rule, job.scalars, tracked=True)


def _with_readers(jobs: list[Job], changed: Iterable[Job]) -> set[str]:
    readers: dict[str, list[Job]] = {}
    for job in jobs:
        for file in job.inputs:
            readers.setdefault(file, []).append(job)
    found, pending = set(), list(changed)
    while pending:
        job = pending.pop()
        if job not in found:
            found.add(job)
            pending += [reader for file in job.outputs for reader in readers.get(file, ())]
    return {job.rule for job in found}


def _with_other_value(section: Any, path: list[str]) -> Any:
    name, *inner = path
    value = getattr(section, name)
    return section.model_copy(update={name: _with_other_value(value, inner) if inner else _other(value)})


def _other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, tuple):
        return (*value, *value) or ("other",)
    if isinstance(value, dict):
        return reduce(lambda found, key: found | {key: "other"}, value, {})
    return "other"
