"""Stages from tests: `run` called in this process, and the words of its command."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from lbt.config import Settings
from lbt.config.jobs import pick_settings
from lbt.stages.run import Job, build_files
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import job_settings

SCALARS = {"seed": 0, "method": "lbt", "round": 1, "shard": 0, "job": 0}


def call_stage(stage: str, settings: Settings | None = None, **given: Any) -> None:
    """Run a stage in this process, without the lock and the manifest.

    Args:
        stage: its name.
        settings: the whole settings, by default those of an empty file.
        given: sections to use instead of those of `settings`, values for `SCALARS`, options such as `log`; everything
            else is a file, several, or None, by the name in the stage's `Files`.
    """
    chosen, module = STAGES[stage], import_module(STAGES[stage].module)
    sections = {name: given.pop(name) for name in tuple(given) if name in Settings.model_fields}
    scalars = {name: given.pop(name, value) for name, value in SCALARS.items()}
    options = {name: given.pop(name) for name in tuple(given) if name in inspect.signature(module.run).parameters}
    whole = (settings or Settings()).model_copy(update=sections)
    model = chosen.model(scalars["method"])
    files = {name: _paths(value) for name, value in given.items()}
    module.run(
        pick_settings(model, whole, **{name: scalars[name] for name in chosen.scalars}),
        build_files(module.Files, files),
        **options,
    )


def stage_words(
    stage: str,
    settings: Settings,
    log: Any,
    *,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    code: str = "c0de",
    **scalars: Any,
) -> list[str]:
    """The words of `lbt` that run a stage, as a rule of the workflow makes them."""
    found = job_settings(settings, stage, SCALARS | scalars)
    named = [{name: _paths(value) for name, value in files.items()} for files in (inputs, outputs)]
    return ["stage", stage, "--job", Job(found, code, None, *named).to_json(), "--log", str(log)]


def _paths(value: Any) -> str | list[str]:
    if value is None:
        return []
    return list(map(str, value)) if isinstance(value, list | tuple) else str(value)
