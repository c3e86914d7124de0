"""Every setting: type, unit, bounds, default and one line of help.

This package is the only source: `config/README.md`, the checks and the values that reach a job all come from it. A
setting is a field of a frozen model; a model is a section of the YAML file. Checks that need two settings at once are
validators of the smallest model that holds both. What can only be checked against files is in
`lbt.data.checking.check`.
"""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from lbt.config.base import (
    LONGEST_NAME,
    OFFICIAL_SPLITS,
    Color,
    OfficialSplit,
    OneOf,
    Section,
    Seed,
    Size,
    Window,
    WrongSetting,
    check_gpus,
)
from lbt.config.baselines import BASELINES
from lbt.config.data import AugmentationSettings, DataClasses, DataSettings, SceneSettings, SplitSettings
from lbt.config.folder import ClassSettings, FolderSettings
from lbt.config.methods import METHODS
from lbt.config.retrain import RetrainOptimizer, RetrainSettings
from lbt.config.round import (
    LbtSearch,
    LptSearch,
    LptSettings,
    PseudoLabelSettings,
    RandomMatch,
    RoundSearch,
    StudentSearch,
    StudentSettings,
    StudentTraining,
)
from lbt.config.search import DerivationSettings, SearchSettings
from lbt.config.space import OPERATORS, LatencyKey, LatencySettings, OperatorName, SpaceSettings
from lbt.config.tabular import TabularSettings
from lbt.config.training import (
    AdamSettings,
    ArchitectureSettings,
    ComputeDevice,
    ComputeKernels,
    ComputeSettings,
    EvaluationSettings,
    OptimizerSettings,
    WarmupSettings,
)

__all__ = [
    "BASELINES",
    "METHODS",
    "OFFICIAL_SPLITS",
    "OPERATORS",
    "AdamSettings",
    "ArchitectureSettings",
    "AugmentationSettings",
    "ClassSettings",
    "Color",
    "ComputeDevice",
    "ComputeKernels",
    "ComputeSettings",
    "DataClasses",
    "DataSettings",
    "DerivationSettings",
    "EvaluationSettings",
    "FolderSettings",
    "LatencyKey",
    "LatencySettings",
    "LbtSearch",
    "LptSearch",
    "LptSettings",
    "OfficialSplit",
    "OperatorName",
    "OptimizerSettings",
    "PseudoLabelSettings",
    "RandomMatch",
    "RetrainOptimizer",
    "RetrainSettings",
    "RoundSearch",
    "SceneSettings",
    "SearchSettings",
    "Section",
    "Settings",
    "Size",
    "SpaceSettings",
    "SplitSettings",
    "StudentSearch",
    "StudentSettings",
    "StudentTraining",
    "TabularSettings",
    "WarmupSettings",
    "Window",
]

_RESERVED = r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?"
"""Names that Windows keeps for devices."""
_MOST_JOBS = 100_000


class Settings(Section):
    """A whole configuration file."""

    run: str = Field(
        "default",
        description="Name of the folder below `results/`: letters, digits, `_`, `.` and `-`, a letter or digit first.",
    )
    seeds: tuple[Seed, ...] = Field((0,), min_length=1, description="Random seeds; each repeats the run.")
    methods: tuple[Annotated[str, OneOf(tuple(METHODS))], ...] = Field(
        tuple(METHODS),
        min_length=1,
        description="Search methods to compare; each is a module or folder of `lbt/search/methods`.",
    )
    baselines: tuple[Annotated[str, OneOf(tuple(BASELINES))], ...] = Field(
        (),
        description="Networks that nobody searched, to compare with. They are trained as `retrain` says, from random "
        "weights and without a co-searched network, and are scored and timed as those of the methods. "
        "`fasterseg_released` has the base width `space.base_width`. `fast_scnn` has base_width / 8 times its "
        "published channels, so that it takes about as long. The others have one size. Each is a module of "
        "`lbt/baselines`.",
    )
    scenes: SceneSettings | None = Field(
        None, description="Generate street scenes in `data.root`; absent for real data."
    )
    data: DataSettings = Field(DataSettings(), description="The data set.")
    splits: SplitSettings = Field(SplitSettings(), description="Parts of the training images.")
    augmentation: AugmentationSettings = Field(AugmentationSettings(), description="Augmentation of training images.")
    space: SpaceSettings = Field(SpaceSettings(), description="The search space.")
    latency: LatencySettings = Field(LatencySettings(), description="Latency measurement.")
    warmup: WarmupSettings = Field(WarmupSettings(), description="Warm-up of the supernet.")
    search: SearchSettings = Field(SearchSettings(), description="The search.")
    derivation: DerivationSettings = Field(DerivationSettings(), description="Derivation of the discrete network.")
    retrain: RetrainSettings = Field(RetrainSettings(), description="Retraining of the derived network.")
    evaluation: EvaluationSettings = Field(EvaluationSettings(), description="Evaluation.")
    tabular: TabularSettings | None = Field(
        None,
        description="Train the networks of a small space from random weights, for a table of their scores. Needs "
        "`space.operators` without `skip`. Absent: no table. The target `tabular` makes the table alone.",
    )
    compute: ComputeSettings = Field(ComputeSettings(), description="Device, threads, number format, loader processes.")

    @property
    def methods_and_baselines(self) -> tuple[str, ...]:
        """The methods, then the baselines: everything that has networks to compare."""
        return (*self.methods, *self.baselines)

    @field_validator("run")
    @classmethod
    def _folder_name(cls, run: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", run):
            name = re.sub(r"[^A-Za-z0-9_.-]+", "-", run).lstrip("_.-")[:20] or "my-run"
            raise ValueError(
                f"{run[:LONGEST_NAME]!r} is not a valid folder name below `results/`; letters, digits, `_`, `.` and "
                f"`-` are allowed, with a letter or digit first, as in {name}"
            )
        if len(run) > LONGEST_NAME:
            raise ValueError(f"{run[:20]!r}... has {len(run)} characters; a name has at most {LONGEST_NAME}")
        if run.endswith(".") or re.fullmatch(_RESERVED, run, re.IGNORECASE):
            raise ValueError(f"{run!r} cannot be copied to every file system; choose another name")
        return run

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.scenes is not None and self.data.layout != "cityscapes":
            raise WrongSetting(
                "scenes", "synthetic scenes have `data.layout: cityscapes`; change the layout or remove `scenes`"
            )
        if self.scenes is not None and self.data.unlabeled != "test":
            raise WrongSetting(
                "data.unlabeled", f"synthetic scenes have no part {self.data.unlabeled}; write `unlabeled: test`"
            )
        if self.scenes is not None and any(char in self.data.root for char in "{}"):
            raise WrongSetting(
                "data.root",
                f"{self.data.root!r} has a brace, which Snakemake takes for a wildcard; choose another name",
            )
        for name in ("seeds", "methods", "baselines"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise WrongSetting(name, f"a value is listed twice in {list(values)}")
        inherits = {
            "retrain.initial: supernet": self.retrain.initial == "supernet",
            "derivation.rule: search": self.derivation.rule == "search",
            "space.branches: best": self.space.branches == "best",
        }
        reason = next((setting for setting, wanted in inherits.items() if wanted), None)
        if reason is not None and self.space.head_twelfths > self.space.width_twelfths[-1]:
            raise WrongSetting(
                "space.head_twelfths",
                f"{self.space.head_twelfths} is above the largest of space.width_twelfths, "
                f"{self.space.width_twelfths[-1]}: with `{reason}` a network whose last cells are pruned could not "
                "take its weights from the supernet; add that width or lower the head's",
            )
        if any(METHODS[method].has_student for method in self.methods):
            check_gpus(self.search.gpus, **{"search.student.batch_size": self.search.student.batch_size})
        if self.evaluation.every_round and self.search.rounds > 1 and self.search.keep_every > 1:
            raise WrongSetting(
                "evaluation.every_round",
                f"true scores the weights of all {self.search.rounds} rounds at the end, but "
                f"search.keep_every: {self.search.keep_every} removes those of older ones; write `keep_every: 1`, "
                "which takes more disk, or `every_round: false`",
            )
        match = self.search.random_match
        if match == "random":
            raise WrongSetting(
                "search.random_match", "random cannot match itself; name a searched method, `window` or `none`"
            )
        if "random" in self.methods and match not in ("none", "window", *self.methods):
            raise WrongSetting(
                "search.random_match",
                f"{match} is not among `methods`; add it there or write `random_match: none`",
            )
        shards = {name: self.search.shards if METHODS[name].needs_pseudo_labels else 0 for name in self.methods}
        jobs = len(self.seeds) * self.search.rounds * sum(1 + number for number in shards.values())
        if jobs > _MOST_JOBS:
            raise WrongSetting(
                "search.rounds",
                f"seeds, methods, rounds and shards give {jobs} jobs, more than the {_MOST_JOBS} that can be planned; "
                "lower one of them",
            )
        return self
