"""The stages of the workflow: which module runs each, and which settings reach it.

A stage sees the listed sections of the settings and nothing else, so a change of any other section cannot change its
result and does not rerun it. The settings travel as canonical JSON, whose text Snakemake compares.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lbt.artifacts import canonical_json
from lbt.config import Section, Settings


@dataclass(frozen=True)
class Stage:
    """A step of the workflow.

    Attributes:
        module: the module whose function `run` does the work.
        sections: the sections of the settings that `run` takes, by keyword.
        help: one line for `python -m lbt stage --help`.
        scalars: what else `run` takes of a job's name, such as `seed`.
    """

    module: str
    sections: tuple[str, ...]
    help: str
    scalars: tuple[str, ...] = ()


_TRAINING = ("data", "augmentation", "space")

STAGES: dict[str, Stage] = {
    "scenes": Stage("lbt.data.streetscenes", ("scenes", "data"), "draw street scenes in the Cityscapes layout"),
    "check": Stage(
        "lbt.data.check",
        ("data", "splits", "warmup", "search", "retrain"),
        "read the whole data set and list every problem",
    ),
    "split": Stage("lbt.data.splits", ("data", "splits"), "divide the training images into parts"),
    "latency": Stage("lbt.latency.table", ("space", "data", "latency", "compute"), "measure the latency lookup table"),
    "warmup": Stage(
        "lbt.search.warmup",
        (*_TRAINING, "warmup", "evaluation", "compute"),
        "train the supernet at all widths",
        ("seed",),
    ),
    "label": Stage(
        "lbt.search.labelling",
        ("data", "space", "search", "compute"),
        "label a shard of the unlabelled images",
        ("seed", "method", "round", "shard"),
    ),
    "round": Stage(
        "lbt.search.round",
        (*_TRAINING, "search", "evaluation", "compute"),
        "run one round of the search",
        ("seed", "method", "round"),
    ),
    "derive": Stage("lbt.derivation", ("space", "search"), "derive the discrete network", ("seed", "method")),
    "profile": Stage("lbt.latency.profiler", ("space", "data", "latency", "compute"), "time the derived network"),
    "retrain": Stage(
        "lbt.training", (*_TRAINING, "retrain", "compute"), "train the derived network", ("seed", "method")
    ),
    "evaluate_supernet": Stage(
        "lbt.evaluation.supernet", ("data", "space", "evaluation", "compute"), "score the supernet", ("seed", "method")
    ),
    "evaluate_network": Stage(
        "lbt.evaluation.network",
        ("data", "space", "evaluation", "compute"),
        "score the retrained network",
        ("seed", "method"),
    ),
    "evaluate_constant": Stage("lbt.evaluation.constant", ("data",), "score the most frequent class"),
    "tables": Stage("lbt.views.tables", ("warmup", "search", "retrain"), "write the tables"),
}


def stage_settings(settings: Settings, stage: str, job: Mapping[str, int | str]) -> str:
    """Canonical JSON of the sections that `stage` takes and of its scalars, which are picked from `job`.

    The number of loader processes is left out: no result depends on it.
    """
    sections = {}
    for name in STAGES[stage].sections:
        section = getattr(settings, name)
        exclude = {"workers"} if name == "compute" else None
        sections[name] = None if section is None else section.model_dump(mode="json", exclude=exclude)
    return canonical_json(sections | {name: job[name] for name in STAGES[stage].scalars})


def parse_stage_settings(text: str, stage: str, workers: int) -> dict[str, Any]:
    """Keyword arguments of a stage's `run` from the text that `stage_settings` made."""
    arguments = json.loads(text)
    for name in STAGES[stage].sections:
        if name == "compute":
            arguments[name]["workers"] = workers
        arguments[name] = _section_type(name).model_validate_json(json.dumps(arguments[name]))
    return arguments


def _section_type(name: str) -> type[Section]:
    annotation = Settings.model_fields[name].annotation
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return next(t for t in candidates if isinstance(t, type) and issubclass(t, Section))
